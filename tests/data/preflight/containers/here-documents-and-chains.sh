#!/bin/sh
mkdir -p /opt/base && echo base > /opt/base/file
mkdir -p /opt/chain && cd /opt/chain && printf 'a\nb\n' | tee first | tr a-z A-Z > second
{
    echo "# generated"
    cat first second
} > both
( cd /opt && tar -cf chain.tar --mtime=@0 --sort=name chain && rm -rf /opt/chain/first )
cat <<EOF > "$AGENTS_RUNNER_WORKSPACE/report"
task in $AGENTS_RUNNER_WORKSPACE
$(cat both)
EOF
test -s both \
    && echo ok \
    > state
