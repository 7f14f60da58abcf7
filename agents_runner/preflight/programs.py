"""What is known of programs that are no package managers, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agents_runner.preflight.tables import words

QUIET = words(
    "echo printf true false : id whoami uname arch nproc seq expr tr pwd tput clear getconf groups logname tty "
    "basename dirname factor numfmt yes bc sleep times caller compgen complete bind dirs help enable history "
    "break continue shift getent lsb_release locale df free lscpu infocmp tabs rev cal"
)
"""Programs that only print or compute, without a file in their arguments."""

STEADY = words(
    "echo printf true false : id whoami uname arch nproc seq expr tr getconf groups logname basename dirname "
    "factor numfmt bc lsb_release test [ cut sed awk gawk mawk head tail sort uniq wc rev paste fold fmt column "
    "grep egrep fgrep dpkg rpm jq cat tac"
)
"""Programs that say the same every time, as long as they read no file."""

SYSTEM_CONFIG: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        words(
            "useradd adduser usermod userdel deluser groupadd addgroup groupmod groupdel delgroup gpasswd chsh "
            "chfn passwd chpasswd chage visudo vipw"
        ),
        "users",
    )
    | dict.fromkeys(
        words(
            "locale-gen localedef update-locale dpkg-reconfigure dpkg-divert dpkg-statoverride "
            "debconf-set-selections ldconfig update-ca-certificates update-ca-trust trust update-alternatives "
            "alternatives fc-cache updatedb mandb texhash mktexlsr fmtutil-sys a2enmod a2dismod a2ensite "
            "a2dissite a2enconf phpenmod phpdismod update-rc.d chkconfig update-initramfs setcap unminimize "
            "glib-compile-schemas update-desktop-database update-mime-database gtk-update-icon-cache rc-update "
            "eselect depmod mkinitcpio systemd-sysusers install-info xmlcatalog git-lfs select-editor keytool"
        ),
        "configuration",
    )
    | dict.fromkeys(
        words(
            "apt-key add-apt-repository apt-add-repository apt-mark apt-file gdebi pacman-key pacman-mirrors "
            "pacman-db-upgrade yum-config-manager dnf-config-manager rpmkeys extrepo"
        ),
        "packages",
    )
)
"""Programs that change the system itself, and what of it."""

SERVERS = words(
    "nginx apache2 apache2ctl httpd apachectl mysqld mysqld_safe mariadbd mariadbd-safe postgres pg_ctl "
    "pg_ctlcluster redis-server valkey-server mongod memcached dockerd containerd sshd cron crond rsyslogd "
    "syslogd dbus-daemon dbus-launch Xvfb Xvnc Xorg x11vnc vncserver tigervncserver fluxbox openbox startx "
    "websockify novnc_proxy elasticsearch rabbitmq-server kafka-server-start.sh zookeeper-server-start.sh minio "
    "consul etcd caddy traefik haproxy squid php-fpm gunicorn uvicorn hypercorn celery streamlit jupyter "
    "jupyter-lab ngrok cloudflared tailscaled tailscale ssh-agent gpg-agent gpg-connect-agent pulseaudio pipewire "
    "avahi-daemon start-stop-daemon supervisord supervisorctl rc-service initctl service ollama lighttpd named "
    "dnsmasq unbound ntpd chronyd postfix dovecot pm2 forever nodemon http-server live-server serve"
)
"""Programs that are, start or steer a service."""

CLIENTS = words(
    "psql createdb createuser dropdb dropuser pg_isready pg_restore pg_dump mysql mysqladmin mysqldump mariadb "
    "mariadb-admin redis-cli valkey-cli mongosh mongo mongoimport docker docker-compose podman buildah nerdctl "
    "kubectl minikube kind k3d k3s nc ncat telnet ping dig nslookup host traceroute ssh scp sftp ftp rabbitmqctl "
    "etcdctl sqlcmd cqlsh influx clickhouse-client rsync-ssh wait-for-it wait-for-it.sh wait-for dockerize curlie "
    "http https xh"
)
"""Programs that talk to something that runs."""

ACCOUNTS = words(
    "glab hub aws gsutil bq doctl heroku vercel netlify flyctl fly railway wrangler firebase supabase stripe op "
    "vault bw pass sops doppler infisical aws-vault huggingface-cli hf kaggle wandb claude codex gemini copilot "
    "aider opencode cursor-agent goose amp twine pulumi databricks snow sentry-cli gh az gcloud helm"
)
"""Programs that speak for a person, with a login."""

BUILDS = words(
    "make gmake cmake ninja meson bazel bazelisk buck gradle mvn ant sbt lein autoreconf autoconf automake "
    "autogen.sh configure bootstrap makepkg waf scons xmake rake pytest jest vitest tsc eslint black mypy flake8 "
    "webpack vite next prisma alembic django-admin rails artisan drush wp gradlew mvnw qmake gcc g++ cc c++ clang "
    "clang++ rustc javac ghc protoc swift zig dune stack turbo nx lerna pre-commit husky just task terraform "
    "terragrunt ansible-playbook npx pnpx bunx uvx tsx ts-node ruff conan vcpkg"
)
"""Programs that work on a project's files."""

KERNEL = words(
    "mount umount modprobe insmod rmmod iptables ip6tables nft ufw ip ifconfig route swapon swapoff losetup "
    "domainname renice kill pkill killall fuser taskset chrt tc ethtool hwclock loginctl udevadm dmesg shutdown "
    "reboot halt poweroff setenforce auditctl ipcs ipcrm brctl wg wg-quick nmcli resolvectl hostnamectl "
    "timedatectl localectl fallocate-swap mkswap"
)
"""Programs that change what lives in memory only: no layer keeps that."""

VOLATILE = words(
    "date mktemp tempfile uuidgen shuf hostname hostid uptime w who last ps top htop vmstat iostat mcookie pwgen "
    "apg ssh-keygen cal systemd-machine-id-setup dbus-uuidgen lsof pgrep pidof nvidia-smi rand"
)
"""Programs whose answer differs from one run to the next."""

INTERACTIVE = words("vi vim nvim nano emacs ed pico dialog whiptail fzf gum less more man select read visudo vipw")
"""Programs that wait for a person."""

INTERPRETERS = words(
    "python python2 python3 pypy pypy3 node nodejs ruby perl php lua Rscript julia java groovy tclsh pwsh"
)
SHELLS = words("bash sh dash ash zsh ksh mksh busybox fish")

WRAPPERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sudo": words("-u -g -p -C -h -U -r -t -D -R -T --user --group --chdir --prompt --host --role --type"),
        "doas": words("-u -C -a"),
        "env": words("-u -C -S --unset --chdir"),
        "command": frozenset(),
        "builtin": frozenset(),
        "time": words("-f -o --format --output"),
        "nice": words("-n --adjustment"),
        "ionice": words("-c -n --class --classdata"),
        "timeout": words("-k -s --kill-after --signal"),
        "stdbuf": words("-i -o -e --input --output --error"),
        "unbuffer": frozenset(),
        "eatmydata": frozenset(),
        "fakeroot": frozenset(),
        "chronic": frozenset(),
        "xargs": words("-n -I -P -L -d -E -s -a --max-args --max-procs --delimiter --arg-file --replace --max-lines"),
        "gosu": frozenset(),
        "su-exec": frozenset(),
        "exec": words("-a"),
    }
)
"""Commands whose arguments are a command, and their options that take a word."""
WRAPPER_OPERANDS: Mapping[str, int] = MappingProxyType({"timeout": 1, "gosu": 1, "su-exec": 1})


@dataclass(frozen=True, kw_only=True)
class Files:
    """What a program does to the files in its arguments."""

    skip: int = 0
    """Leading operands that are no files."""
    writes: str = "none"
    """Which operands it writes: none, all, last."""
    valued: frozenset[str] = frozenset()
    """Options that take the next word."""
    targets: frozenset[str] = frozenset()
    """Of those, the ones whose word is written to."""
    sources: frozenset[str] = frozenset()
    """Of those, the ones whose word is a file that is read."""
    removes: bool = False
    """It changes its sources as well."""
    unless: frozenset[str] = frozenset()
    """Options with which nothing is skipped."""


_READ = Files()
_MADE = Files(writes="all")
FILES: Mapping[str, Files] = MappingProxyType(
    {
        **dict.fromkeys(
            words(
                "cat tac nl wc file stat du ls tree readlink realpath md5sum sha1sum sha224sum sha256sum "
                "sha384sum sha512sum cksum b2sum base64 base32 xxd od hexdump strings diff cmp comm join ldd nm "
                "objdump zcat bzcat xzcat zstdcat xmllint iconv expand unexpand dir vdir lsattr getfacl namei "
                "pathchk sum shasum tsort visudo desktop-file-validate bat batcat dpkg-deb dpkg-query "
                "dos2unix-check"
            ),
            _READ,
        ),
        "head": Files(valued=words("-n -c --lines --bytes")),
        "tail": Files(valued=words("-n -c -s --lines --bytes --pid")),
        "cut": Files(valued=words("-d -f -c -b --delimiter --fields --output-delimiter")),
        "paste": Files(valued=words("-d --delimiters")),
        "sort": Files(valued=words("-t -k -o -T -S --key --field-separator --output"), targets=words("-o --output")),
        "uniq": Files(valued=words("-f -s -w")),
        "column": Files(valued=words("-s -o -c -N -t")),
        "fold": Files(valued=words("-w")),
        "fmt": Files(valued=words("-w")),
        "grep": Files(
            skip=1,
            valued=words("-e -f -m -A -B -C -d --regexp --file --include --exclude --max-count"),
            sources=words("-f --file"),
            unless=words("-e -f --regexp --file"),
        ),
        "rg": Files(skip=1, valued=words("-e -f -g -t -m -A -B -C"), unless=words("-e -f --files")),
        "awk": Files(skip=1, valued=words("-F -v -f"), sources=words("-f"), unless=words("-f")),
        "jq": Files(skip=1, valued=words("-f --indent --tab"), sources=words("-f"), unless=words("-f")),
        "yq": Files(skip=1, valued=words("-p -o --input-format --output-format")),
        "envsubst": Files(skip=1),
        "mkdir": Files(writes="all", valued=words("-m --mode")),
        "touch": Files(writes="all", valued=words("-d -t -r --date --reference"), sources=words("-r --reference")),
        "rm": _MADE,
        "rmdir": _MADE,
        "unlink": _MADE,
        "shred": Files(writes="all", valued=words("-n -s")),
        "truncate": Files(writes="all", valued=words("-s -r --size")),
        "fallocate": Files(writes="all", valued=words("-l -o --length --offset")),
        "mkfifo": Files(writes="all", valued=words("-m")),
        "tee": _MADE,
        "cp": Files(
            writes="last", valued=words("-t -S --target-directory --suffix"), targets=words("-t --target-directory")
        ),
        "mv": Files(
            writes="last",
            valued=words("-t -S --target-directory --suffix"),
            targets=words("-t --target-directory"),
            removes=True,
        ),
        "ln": Files(writes="last", valued=words("-t -S --target-directory"), targets=words("-t --target-directory")),
        "rsync": Files(
            writes="last", valued=words("-e -f --exclude --include --filter --rsh --exclude-from --files-from")
        ),
        "install": Files(
            writes="last",
            valued=words("-m -o -g -t -S --mode --owner --group --target-directory"),
            targets=words("-t --target-directory"),
        ),
        "chmod": Files(skip=1, writes="all", unless=words("--reference")),
        "chown": Files(skip=1, writes="all", unless=words("--reference")),
        "chgrp": Files(skip=1, writes="all", unless=words("--reference")),
        "chattr": Files(skip=1, writes="all"),
        "setfacl": Files(writes="all", valued=words("-m -x -M -X")),
        "unzip": Files(writes="none", valued=words("-d -x -P"), targets=words("-d")),
        "zip": Files(writes="all", valued=words("-x -i -P -b")),
        "gzip": _MADE,
        "gunzip": _MADE,
        "bzip2": _MADE,
        "bunzip2": _MADE,
        "xz": _MADE,
        "unxz": _MADE,
        "lzma": _MADE,
        "zstd": Files(writes="all", valued=words("-o"), targets=words("-o")),
        "unzstd": Files(writes="all", valued=words("-o"), targets=words("-o")),
        "dos2unix": _MADE,
        "unix2dos": _MADE,
        "split": Files(writes="last", valued=words("-b -l -n -a")),
        "crudini": Files(skip=1, writes="all"),
        "mkfs": _MADE,
    }
)
FILE_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "egrep": "grep",
        "fgrep": "grep",
        "zgrep": "grep",
        "ag": "rg",
        "gawk": "awk",
        "mawk": "awk",
        "nawk": "awk",
        "ginstall": "install",
    }
)

ACTIVATIONS: Mapping[str, bool] = MappingProxyType(
    {
        "/etc/os-release": True,
        "/usr/lib/os-release": True,
        "/etc/lsb-release": True,
        "/.cargo/env": True,
        "/nvm.sh": True,
        "/nvm/bash_completion": True,
        "/bash_completion": True,
        "/sdkman-init.sh": True,
        "/asdf.sh": True,
        "/asdf.bash": True,
        "/conda.sh": True,
        "/mamba.sh": True,
        "/scripts/rvm": True,
        "/.ghcup/env": True,
        "/.local/bin/env": True,
        "/.deno/env": True,
        "/.opam/opam-init/init.sh": True,
        "/nix.sh": True,
        "/nix-daemon.sh": True,
        "/.bashrc": False,
        "/.profile": False,
        "/.bash_profile": False,
        "/.bash_aliases": False,
        "/.zshrc": False,
        "/etc/profile": False,
        "/etc/bash.bashrc": False,
        "/etc/environment": False,
        "/etc/profile.d/*": False,
    }
)
"""Ends of files that are read in with `source`: True if reading them in twice does no harm."""

HOOKS: Mapping[str, bool] = MappingProxyType(
    {
        "brew": True,
        "pyenv": True,
        "rbenv": True,
        "nodenv": True,
        "goenv": True,
        "jenv": True,
        "phpenv": True,
        "plenv": True,
        "mise": True,
        "rtx": True,
        "opam": True,
        "conda": True,
        "mamba": True,
        "micromamba": True,
        "dircolors": True,
        "starship": True,
        "zoxide": True,
        "luarocks": True,
        "fnm": False,
        "direnv": False,
    }
)
"""Programs whose output is run with `eval`: True if doing so twice does no harm."""
