#!/bin/bash
curl -s "https://get.sdkman.example.com" | bash
source "$HOME/.sdkman/bin/sdkman-init.sh"
sdk install java 21.0.3-tem
sdk install gradle 8.8 < /dev/null
sdk default java 21.0.3-tem
sdk use java 17.0.11-tem
./gradlew --no-daemon assemble
mvn -B dependency:go-offline
