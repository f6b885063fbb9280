# fish completion of hearth(1)
set -l commands new deploy call list describe limits memory tune profile logs events dev top versions rollback delete export import
complete -c hearth -f -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c hearth -f -n "__fish_seen_subcommand_from call describe limits memory tune profile logs events versions rollback delete export" \
  -a "(hearth list 2>/dev/null | awk 'NR > 1 { print \$1 }')"
complete -c hearth -F -n "__fish_seen_subcommand_from deploy"
complete -c hearth -l url -l token-file -l json
