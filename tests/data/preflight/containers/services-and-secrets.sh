#!/bin/bash
set -e
mkdir -p /opt/service
cat > /opt/service/run.sh <<'EOF'
#!/bin/sh
echo started > /tmp/service-started
EOF
chmod +x /opt/service/run.sh
/opt/service/run.sh &
wait
git_name="agent"
printf '[user]\n\tname = %s\n' "$git_name" > "$HOME/.gitconfig"
export API_URL="https://api.example/${API_TOKEN:-none}"
