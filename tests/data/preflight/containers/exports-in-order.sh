export BASE=/opt/base
export LEVEL=1
mkdir -p "$BASE"
echo "$LEVEL" > "$BASE/level"
LEVEL=$((LEVEL + 1))
export FLAGS="-O$LEVEL -g"
printf '%s\n' "$FLAGS" > "$BASE/flags"
export TASK_LABEL="task-$AGENTS_RUNNER_ENVIRONMENT"
LEVEL=$((LEVEL + 1))
unset BASE
export QUOTED='it'"'"'s "odd" $HOME'
