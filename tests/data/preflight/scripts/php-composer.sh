#!/bin/bash
set -e
apt-get update && apt-get install -y php-cli php-mbstring php-xml unzip
curl -sS https://getcomposer.example.com/installer -o /opt/composer-setup.php
php /opt/composer-setup.php --install-dir=/usr/local/bin --filename=composer
rm /opt/composer-setup.php
composer global require friendsofphp/php-cs-fixer
composer self-update
pecl install xdebug
composer install --no-interaction
php artisan key:generate
