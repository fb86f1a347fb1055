#!/usr/bin/env bash
# Installs what skua bench measures beside Skua: PostgreSQL and Redis from Debian's packages, and
# nats-server into bin/. What is there already is left as it is. The packages start services, which
# nobody asked for: those of a package that was just installed are stopped and disabled again.
set -euo pipefail
cd "$(dirname "$0")/../.."

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

add() { # package, service
  $sudo apt-get install --yes --no-install-recommends "$1"
  if [ -d /run/systemd/system ]; then
    $sudo systemctl disable --now "$2"
  else
    $sudo service "$2" stop || true # It may not have been started.
    $sudo update-rc.d "$2" disable
  fi
}

missing=()
command -v redis-server >/dev/null || missing+=("redis-server redis-server")
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ||
  missing+=("postgresql postgresql")
if [ ${#missing[@]} -gt 0 ]; then
  $sudo apt-get update
  for each in "${missing[@]}"; do add $each; done
fi

# The same version as the one that a server of Skua embeds.
${GO:-go} build -o bin/nats-server github.com/nats-io/nats-server/v2
