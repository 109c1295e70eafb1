#!/bin/sh
# Makes the nodes given by address a cluster: every node's __all_server lists them all.
set -eu

port=${SQL_PORT:-2881}

rows=
id=0
for ip in "$@"; do
  id=$((id + 1))
  rows="$rows${rows:+, }('$ip', 2882, $id, 'z$id', $port, $((id == 1)), 'ACTIVE', 'seekdb 1.4.0')"
done

for ip in "$@"; do
  {
    cat "$(dirname "$0")/all_server.sql"
    echo "REPLACE INTO oceanbase.__all_server (svr_ip, svr_port, id, zone, inner_port,"
    echo "  with_rootserver, status, build_version) VALUES $rows;"
  } | mysql -h "$ip" -P "$port" -u root
  echo "registered $id nodes on $ip"
done
