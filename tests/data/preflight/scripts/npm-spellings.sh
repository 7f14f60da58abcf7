#!/bin/bash
set -e
npm install -g typescript
npm i -g eslint prettier
npm -g install serve
npm install --global @scope/cli@1.2.3
npm i --location=global npm@latest
npm config set fund false --location=global
npm cache clean --force
npm ci
npm install
npm i lodash
npm run build
npm --version
npm config set //registry.example.com/:_authToken "$NPM_TOKEN"
