apt-get update && apt-get install -y nodejs npm && npm install -g yarn && rm -rf /var/lib/apt/lists/*
cd "$AGENTS_RUNNER_WORKSPACE" && yarn install --frozen-lockfile
