#!/bin/bash
set -e
git clone --depth 1 https://git.example/rbenv.git "$HOME/.rbenv"
git clone --depth 1 https://git.example/ruby-build.git "$HOME/.rbenv/plugins/ruby-build"
export PATH="$HOME/.rbenv/bin:$PATH"
eval "$(rbenv init - bash)"
rbenv install 3.3.4
rbenv global 3.3.4
gem install bundler:2.5.11 --no-document
gem update --system
rbenv rehash
bundle config set --global jobs 4
bundle install
bundle exec rake db:setup
