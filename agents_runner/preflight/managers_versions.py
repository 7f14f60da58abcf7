"""The managers of toolchains and their versions, as data."""

from agents_runner.preflight.manager import TOOLCHAINS, TOOLS, Manager
from agents_runner.preflight.tables import does, words

VERSIONS: tuple[Manager, ...] = (
    Manager(
        programs=("conda", "mamba", "micromamba"),
        store="conda",
        layer=TOOLCHAINS,
        actions=does(
            install="install create update upgrade remove uninstall env_create env_update env_remove self-update",
            config="config clean init config_set config_append config_prepend shell_init notices",
            query="list info search env_list --version shell shell_hook shell.bash_hook shell.posix_hook",
            session="activate deactivate reactivate",
            project="run env_export export build",
        ),
        valued=words("-c --channel --env-spec -f --file -n --name -p --prefix -r --root-prefix --solver"),
        files=words("-f --file -p --prefix -r --root-prefix"),
        confirm=words("-d --dry-run --json -y --yes"),
        home=("~/.condarc", "~/.conda"),
        function="conda",
    ),
    Manager(
        programs=("cargo",),
        store="rust",
        layer=TOOLS,
        actions=does(
            install="install uninstall binstall install-update quickinstall",
            config="cache config clean-all",
            query="--version -V --list search info version help locate-project",
            account="login logout publish owner yank",
            project=(
                "build b check c test t run r fetch bench doc clippy fmt update add remove rm vendor "
                "generate-lockfile clean metadata new init tree fix rustc package nextest watch make audit deny "
                "llvm-cov chef"
            ),
        ),
        valued=words(
            "-F -Z --bin --branch --color --config --example --features --git --index -j --jobs --manifest-path "
            "--path --profile --registry --rev --root --tag --target --target-dir --vers --version"
        ),
        files=words("--manifest-path --path --root --target-dir"),
        named=words("install"),
        home=("~/.cargo",),
    ),
    Manager(
        programs=("rustup", "rustup-init"),
        store="rust",
        layer=TOOLCHAINS,
        actions=does(
            install=(
                "_ install update upgrade uninstall toolchain_install toolchain_add toolchain_update "
                "toolchain_uninstall toolchain_remove toolchain_link component_add component_remove target_add "
                "target_install target_remove self_update self_upgrade-data default"
            ),
            config="set set_profile set_auto-self-update set_default-host completions",
            query="show toolchain_list target_list component_list which --version -V check doc man help",
            project="override override_set override_unset run",
        ),
        valued=words("-c --component --default-host --default-toolchain --path --profile -t --target --toolchain"),
        files=words("--path"),
        home=("~/.rustup", "~/.cargo"),
    ),
    Manager(
        programs=("sdk",),
        store="jvm",
        layer=TOOLCHAINS,
        actions=does(
            install="install i uninstall rm upgrade ug default d",
            update="update selfupdate",
            config="flush config offline",
            query="list ls current c version v home h broadcast help",
            session="use u",
            project="env e",
        ),
        home=("~/.sdkman",),
        function="sdk",
    ),
    Manager(
        programs=("nvm",),
        store="node-versions",
        layer=TOOLCHAINS,
        actions=does(
            install="install i uninstall alias unalias install-latest-npm reinstall-packages copy-packages",
            config="cache cache_clear set-colors unload",
            query="ls list ls-remote list-remote current version version-remote which --version -v debug help",
            session="use deactivate",
            project="run exec",
        ),
        named=words("install use"),
        home=("~/.nvm",),
        function="nvm",
    ),
    Manager(
        programs=("fnm", "volta", "n", "nvs", "nodebrew"),
        store="node-versions",
        layer=TOOLCHAINS,
        actions=does(
            install="* install default alias unalias uninstall fetch add link lts latest stable",
            config="setup completions prune",
            query="list ls current env ls-remote list-remote which lsr --version -V help",
            session="use",
            project="pin run exec auto _",
        ),
        named=words("install use"),
        home=("~/.local/share/fnm", "~/.volta", "~/.fnm"),
    ),
    Manager(
        programs=(
            "pyenv",
            "rbenv",
            "nodenv",
            "goenv",
            "jenv",
            "phpenv",
            "tfenv",
            "plenv",
            "luaenv",
            "swiftenv",
            "tgenv",
        ),
        store="env-versions",
        layer=TOOLCHAINS,
        actions=does(
            install="install uninstall global rehash virtualenv virtualenv-delete update add use enable-plugin",
            query=(
                "list ls version versions which whence root prefix init commands --list --version -v virtualenvs "
                "virtualenv-init list-remote doctor"
            ),
            session="shell activate deactivate",
            project="local exec",
        ),
        named=words("global install use"),
        home=("~/.pyenv", "~/.rbenv", "~/.nodenv", "~/.goenv", "~/.jenv", "~/.tfenv"),
    ),
    Manager(
        programs=("rvm",),
        store="env-versions",
        layer=TOOLCHAINS,
        actions=does(
            install=(
                "install reinstall uninstall remove get requirements autolibs alias gemset pkg rubygems cleanup "
                "default"
            ),
            query="list info current version env help known",
            session="use reload",
            project="do rvmrc",
        ),
        named=words("install use"),
        home=("~/.rvm",),
        function="rvm",
    ),
    Manager(
        programs=("asdf",),
        store="env-versions",
        layer=TOOLCHAINS,
        actions=does(
            install=(
                "plugin_add plugin-add plugin_update plugin-update plugin_remove plugin-remove install uninstall "
                "global update nodejs_update-nodebuild"
            ),
            config="reshim completion",
            query=(
                "list list_all list-all current where which version --version info latest plugin_list plugin-list "
                "help plugin_list_all shimversions cmd"
            ),
            session="shell",
            project="local set exec env",
        ),
        everywhere=words("--home -u"),
        wide=does(
            install="set",
        ),
        named=words("install"),
        home=("~/.asdf", "~/.tool-versions"),
        function="asdf",
    ),
    Manager(
        programs=("mise", "rtx"),
        store="env-versions",
        layer=TOOLCHAINS,
        actions=does(
            install=(
                "install i plugins_install plugins_add plugin_install plugin_add plugins_update plugins_uninstall "
                "self-update uninstall backends p_i plugins_i upgrade"
            ),
            config=(
                "settings settings_set settings_add settings_unset cache cache_clear prune reshim alias alias_set "
                "implode completion sync"
            ),
            query=(
                "ls list ls-remote where which current version --version doctor plugins_ls plugins bin-paths "
                "activate env hook-env registry latest settings_get settings_ls outdated cache_path deactivate"
            ),
            project="use u set trust run r x exec watch tasks task fmt generate en shell sh local unuse link",
        ),
        everywhere=words("-g --global"),
        wide=does(
            install="use u upgrade unuse global",
            config="set config",
        ),
        valued=words("-C -E --cd --env -j --jobs -p --path"),
        files=words("-C --cd -p --path"),
        named=words("i install upgrade"),
        home=("~/.local/share/mise", "~/.config/mise"),
        function="mise",
    ),
)
