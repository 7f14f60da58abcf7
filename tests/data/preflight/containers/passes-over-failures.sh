#!/bin/bash
mkdir -p /opt/quiet
rm /opt/quiet/none 2>/dev/null
echo one > /opt/quiet/one
grep -q nothing /opt/quiet/one && echo found > /opt/quiet/found
ls /nowhere 2>/dev/null
[ -d "$AGENTS_RUNNER_WORKSPACE/.git" ] && git -C "$AGENTS_RUNNER_WORKSPACE" status
export AFTER=all
