# The page in a browser: see the head of dashboard.mjs.
HEARTH_NODE_MODULES=$HEARTH_NODE node "$HEARTH_SOURCE/tests/dashboard/dashboard.mjs"
