#!/usr/bin/env bash
set -Eeuo pipefail
apt-get install -y default-mysql-server
sed -i 's/^bind-address.*/bind-address = 127.0.0.1/' /etc/mysql/mysql.conf.d/mysqld.cnf
service mysql start
for i in {1..30}; do
  mysqladmin ping --silent && break
  sleep 1
done
mysql -e 'CREATE DATABASE IF NOT EXISTS app'
chown -R mysql:mysql /var/lib/mysql
