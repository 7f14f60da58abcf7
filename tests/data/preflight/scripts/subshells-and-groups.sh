#!/bin/bash
set -e
( cd /opt && git clone https://git.example/a.git && cd a && ./install.sh )
{
  apt-get update
  apt-get install -y socat
}
(
  export HERE=1
  cd "$AGENTS_RUNNER_WORKSPACE"
  make deps
)
x=1 y=2
echo "$x$y" | tee /opt/xy > /dev/null
