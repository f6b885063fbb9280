# bash completion of hearth(1)
_hearth() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-}
  local commands="new deploy call list describe limits memory tune profile logs events dev top versions rollback delete export import"
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands --url --token-file --json --help --version" -- "$word")
  elif [ "$command" = deploy ]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  elif [ "$COMP_CWORD" -eq 2 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(hearth list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word")
  fi
}
complete -F _hearth -o filenames hearth
