"""The package managers around JavaScript, as data."""

from agents_runner.preflight.manager import TOOLS, Manager
from agents_runner.preflight.tables import does, words

NODE: tuple[Manager, ...] = (
    Manager(
        programs=("npm",),
        store="node",
        layer=TOOLS,
        actions=does(
            project=(
                "i in ins inst insta instal isnt isnta isntal isntall install add ci clean-install ic "
                "install-test it cit link ln update up upgrade udpate dedupe ddp rebuild rb prune run run-script "
                "rum start stop restart test t tst x exec init create innit publish version pack audit fund "
                "uninstall un remove rm r unlink shrinkwrap pkg edit explore set-script sbom query"
            ),
            config=(
                "config config_set config_delete config_rm c set cache cache_clean cache_add cache_verify completion"
            ),
            query=(
                "view info show v list ls la ll root prefix bin search find help doctor ping outdated config_get "
                "config_list get --version -v explain why docs repo home bugs"
            ),
            account="login adduser add-user logout whoami token profile owner access team org deprecate dist-tag",
        ),
        everywhere=words("-g --global --location=global"),
        wide=does(
            install="*",
            query="list ls la ll root prefix bin outdated view info show",
            config="config config_set config_delete set",
        ),
        valued=words(
            "-C --cache --globalconfig --include --location --loglevel --omit --prefix --registry --tag "
            "--userconfig -w --workspace"
        ),
        files=words("-C --cache --globalconfig --prefix --userconfig"),
        home=("~/.npm", "~/.npmrc", "/usr/local/lib/node_modules", "/usr/lib/node_modules"),
    ),
    Manager(
        programs=("pnpm",),
        store="node",
        layer=TOOLS,
        actions=does(
            project=(
                "i in ins inst insta instal isnt isnta isntal isntall install add ci clean-install ic "
                "install-test it cit link ln update up upgrade udpate dedupe ddp rebuild rb prune run run-script "
                "rum start stop restart test t tst x exec init create innit publish version pack audit fund "
                "uninstall un remove rm r unlink shrinkwrap pkg edit explore set-script sbom query dlx fetch "
                "import deploy patch licenses approve-builds node"
            ),
            install="self-update",
            config="setup config config_set config_delete store_prune store_add server cache",
            query=(
                "list ls la ll root bin store_path config_get config_list why outdated --version -v help env_list "
                "env_ls view info"
            ),
            account="login whoami logout",
        ),
        everywhere=words("-g --global --location=global"),
        wide=does(
            install="*",
            query="list ls root bin outdated why",
            config="config config_set",
        ),
        valued=words("-C -F --dir --filter --location --loglevel --prefix --registry --reporter --store-dir"),
        files=words("-C --dir --prefix --store-dir"),
        home=("~/.local/share/pnpm", "~/.config/pnpm", "~/.npmrc"),
    ),
    Manager(
        programs=("yarn", "yarnpkg"),
        store="node",
        layer=TOOLS,
        actions=does(
            install="global_add global_upgrade global_remove global_install",
            config="config_set config_delete cache_clean config_unset telemetry",
            query=(
                "global_list global_bin global_dir config_list config_get --version -v info why help versions bin "
                "list licenses cache_dir"
            ),
            project=(
                "* _ install add remove up upgrade run dlx exec node set set_version workspaces workspace import "
                "link pack build test start plugin rebuild create init dedupe"
            ),
            account="login npm_login logout npm",
        ),
        valued=words("--cache-folder --cwd --global-folder --modules-folder --prefix --registry"),
        files=words("--cache-folder --cwd --global-folder --modules-folder --prefix"),
        home=("~/.yarnrc", "~/.yarnrc.yml", "~/.config/yarn"),
    ),
    Manager(
        programs=("bun",),
        store="node",
        layer=TOOLS,
        actions=does(
            project=("* i install a add rm remove update run x test build init create link unlink exec dev ci patch"),
            install="upgrade",
            config="completions pm_cache_rm",
            query="--version -v --revision pm_ls pm_bin pm_cache outdated info",
        ),
        everywhere=words("-g --global"),
        wide=does(
            install="*",
            query="pm_ls pm_bin pm_cache outdated",
        ),
        valued=words("-c --cache-dir --config --cwd --registry"),
        files=words("-c --cache-dir --config --cwd"),
        home=("~/.bun",),
    ),
    Manager(
        programs=("deno",),
        store="node",
        layer=TOOLS,
        actions=does(
            project="* install i add cache run task test bench check compile fmt lint serve init remove outdated",
            install="upgrade jupyter",
            query="--version -V info types help completions",
        ),
        everywhere=words("-g --global"),
        wide=does(
            install="*",
        ),
        valued=words("-c --config --import-map -n --name --root"),
        files=words("-c --config --import-map --root"),
        home=("~/.deno",),
    ),
    Manager(
        programs=("corepack",),
        store="node",
        layer=TOOLS,
        actions=does(
            install="enable disable prepare",
            config="cache_clean cache_clear",
            query="--version -v",
            project="use up install pack",
        ),
        everywhere=words("-g --global"),
        wide=does(
            install="*",
        ),
        named=words("prepare"),
        home=("~/.cache/node/corepack",),
    ),
)
