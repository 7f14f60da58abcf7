"""The operating systems' package managers, as data."""

from agents_runner.preflight.manager import SYSTEM as LAYER
from agents_runner.preflight.manager import Manager
from agents_runner.preflight.tables import does, words

SYSTEM: tuple[Manager, ...] = (
    Manager(
        programs=("apt-get", "apt", "aptitude"),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install=(
                "install reinstall upgrade dist-upgrade full-upgrade safe-upgrade build-dep remove purge "
                "autoremove autopurge satisfy dselect-upgrade"
            ),
            update="update",
            config="clean autoclean distclean",
            query="list search show policy depends rdepends changelog check help moo",
        ),
        valued=words("-a -c --config-file --default-release --host-architecture -o --option -t --target-release"),
        files=words("-c --config-file"),
        confirm=words("--assume-no --assume-yes --dry-run -qq -s --simulate -y --yes"),
        home=("/etc/apt", "/var/lib/apt", "/var/cache/apt", "/var/lib/dpkg"),
    ),
    Manager(
        programs=("dpkg",),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install="-i --install --configure -r --remove -P --purge --unpack --triggers-only",
            config="--add-architecture --remove-architecture --set-selections --clear-selections",
            query=(
                "-l --list -s --status -L --listfiles -S --search --print-architecture -p "
                "--print-foreign-architectures --get-selections --compare-versions -I -c --info --contents "
                "--verify"
            ),
        ),
        home=("/var/lib/dpkg",),
        operations={"*": "*"},
    ),
    Manager(
        programs=("pacman", "yay", "paru", "pikaur", "aura", "trizen"),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install="sync upgrade remove",
            update="refresh",
            config="clean database",
            query="query files search deptest",
        ),
        valued=words(
            "--arch --assume-installed -b --cachedir --color --config --dbpath --ignore --overwrite -r --root"
        ),
        files=words("--cachedir --config --dbpath --root"),
        confirm=words("--noconfirm"),
        home=("/etc/pacman.conf", "/etc/pacman.d", "/var/lib/pacman", "/var/cache/pacman"),
        operations={
            "S": "sync",
            "U": "upgrade",
            "R": "remove",
            "Q": "query",
            "F": "files",
            "D": "database",
            "T": "deptest",
            "--sync": "sync",
            "--upgrade": "upgrade",
            "--remove": "remove",
            "--query": "query",
            "--files": "files",
            "--database": "database",
            "--deptest": "deptest",
        },
    ),
    Manager(
        programs=("dnf", "dnf5", "yum", "microdnf", "tdnf"),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install=(
                "install in reinstall localinstall groupinstall group_install group_upgrade groupupdate update "
                "upgrade up distro-sync dsync swap downgrade remove rm erase autoremove module_install "
                "module_enable module_reset module_switch-to builddep system-upgrade environment_install"
            ),
            update="makecache check-update check-upgrade",
            config="clean config-manager copr copr_enable copr_disable versionlock mark needs-restarting",
            query="list info search repolist repoquery provides whatprovides history deplist grouplist",
        ),
        valued=words(
            "-c --config -d --disablerepo -e --enablerepo --exclude --installroot --releasever --repo --repoid -x"
        ),
        files=words("-c --config --installroot"),
        confirm=words("--assumeno --assumeyes -y --yes"),
        home=("/etc/yum.repos.d", "/etc/dnf", "/var/cache/dnf", "/var/lib/dnf", "/etc/yum.conf"),
    ),
    Manager(
        programs=("rpm",),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install="-i -U -F -e --install --upgrade --erase --freshen",
            config="--import",
            query="-q -V --query -E --eval",
        ),
        home=("/var/lib/rpm", "/etc/pki"),
        operations={"*": "*"},
    ),
    Manager(
        programs=("apk",),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install="add del upgrade fix",
            update="update",
            config="cache cache_clean cache_purge",
            query="info list search policy version stats dot",
        ),
        valued=words(
            "-X --arch --cache-dir --keys-dir -p --repositories-file --repository --root -t --virtual --wait"
        ),
        files=words("--cache-dir --keys-dir -p --repositories-file --root"),
        home=("/etc/apk", "/var/cache/apk", "/lib/apk"),
    ),
    Manager(
        programs=("zypper",),
        store="system",
        layer=LAYER,
        is_system=True,
        actions=does(
            install=(
                "install in update up dist-upgrade dup patch remove rm source-install si verify ve "
                "install-new-recommends inr"
            ),
            update="refresh ref refresh-services",
            config="addrepo ar removerepo rr modifyrepo mr renamerepo nr addlock al clean cc addservice as",
            query=("search se info if repos lr packages pa patterns pt list-updates lu what-provides wp services ls"),
        ),
        valued=words("-R --from -p --plus-repo -r --releasever --repo --reposd-dir --root -t --type"),
        files=words("-R --reposd-dir --root"),
        confirm=words("-D --dry-run -n --no-confirm --non-interactive -y"),
        home=("/etc/zypp", "/var/cache/zypp"),
    ),
    Manager(
        programs=("brew",),
        store="system",
        layer=LAYER,
        actions=does(
            install="install reinstall upgrade tap untap link unlink uninstall remove rm pin unpin postinstall",
            update="update",
            config="cleanup analytics autoremove completions trust",
            query="list ls info search --prefix --version config doctor shellenv outdated deps leaves commands",
            project="bundle bundle_install bundle_dump",
            service="services services_start services_restart services_run services_stop",
        ),
        valued=words("--file"),
        files=words("--file"),
        home=("/home/linuxbrew", "/opt/homebrew"),
    ),
    Manager(
        programs=("nix-env",),
        store="system",
        layer=LAYER,
        actions=does(
            install="-i -u -e --install --upgrade --uninstall -iA -uA",
            query="-q --query -qa",
        ),
        valued=words("-A -I --attr -f --file"),
        files=words("-f --file"),
        home=("~/.nix-profile",),
        operations={"*": "*"},
    ),
    Manager(
        programs=("nix",),
        store="system",
        layer=LAYER,
        actions=does(
            install="profile_install profile_add profile_upgrade profile_remove",
            config="registry_add registry_pin store_gc",
            query="search profile_list registry_list",
            project="develop build shell run flake print-dev-env fmt",
        ),
        home=("~/.nix-profile",),
    ),
    Manager(
        programs=(
            "nix-channel",
            "xbps-install",
            "xbps-remove",
            "emerge",
            "eopkg",
            "swupd",
            "opkg",
            "tlmgr",
            "flatpak",
        ),
        store="system",
        layer=LAYER,
        actions=does(
            install="* install it ur upgrade remove bundle-add remote-add",
            query="list info search run --version",
        ),
    ),
    Manager(
        programs=("snap",),
        store="system",
        layer=LAYER,
        actions=does(
            service="*",
            query="list find info version",
        ),
    ),
)
