"""The languages' package managers, as data."""

from agents_runner.preflight.manager import TOOLCHAINS, TOOLS, Manager
from agents_runner.preflight.tables import does, words

LANGUAGES: tuple[Manager, ...] = (
    Manager(
        programs=("pip", "pip2", "pip3"),
        store="python",
        layer=TOOLS,
        actions=does(
            install="install uninstall",
            config="config config_set config_unset cache cache_purge cache_remove",
            query="list show freeze check index search debug inspect hash help config_list config_get cache_dir",
            paths="download wheel",
        ),
        valued=words(
            "-C --abi -c --cache-dir --cert --client-cert --config-settings --constraint -d --dest -e --editable "
            "--extra-index-url -f --find-links --global-option -i --implementation --index-url --log --no-binary "
            "--only-binary --platform --prefix --progress-bar --proxy --python --python-version -r --report "
            "--requirement --retries --root --src -t --target --timeout --trusted-host --upgrade-strategy "
            "--use-feature -w --wheel-dir"
        ),
        files=words(
            "-c --cache-dir --cert --client-cert --constraint -d --dest -e --editable -f --find-links --log "
            "--prefix --python -r --report --requirement --root --src -t --target -w --wheel-dir"
        ),
        home=("~/.cache/pip", "~/.config/pip", "/etc/pip.conf"),
    ),
    Manager(
        programs=("uv",),
        store="python",
        layer=TOOLS,
        actions=does(
            install=(
                "pip_install pip_uninstall pip_sync tool_install tool_upgrade tool_uninstall python_install "
                "python_upgrade python_uninstall self_update tool_update-shell python_update-shell"
            ),
            config="cache_clean cache_prune",
            query=(
                "pip_list pip_show pip_freeze pip_check pip_tree tool_list tool_dir python_list python_find "
                "python_dir version help cache_dir self_version"
            ),
            project=(
                "sync lock run add remove init build publish export tree pip_compile python_pin tool_run format"
            ),
            paths="venv",
        ),
        valued=words(
            "-c --cache-dir --constraint --directory -e --editable --extra-index-url -f --find-links --from -i "
            "--index --index-url --link-mode --overrides -p --prefix --project --prompt --python --python-version "
            "-r --requirement --requirements --resolution --target --with --with-editable --with-requirements"
        ),
        files=words(
            "-c --cache-dir --constraint --directory -e --editable -f --find-links --overrides --prefix --project "
            "-r --requirement --requirements --target --with-editable --with-requirements"
        ),
        home=("~/.cache/uv", "~/.local/share/uv"),
    ),
    Manager(
        programs=("pipx",),
        store="python",
        layer=TOOLS,
        actions=does(
            install=(
                "install install-all inject upgrade upgrade-all reinstall reinstall-all uninstall uninstall-all "
                "uninject upgrade-shared"
            ),
            config="ensurepath completions pin unpin",
            query="list environment --version",
        ),
        valued=words("-i --index-url --pip-args --preinstall --python --spec --suffix"),
        home=("~/.local/pipx", "~/.local/share/pipx"),
    ),
    Manager(
        programs=("poetry",),
        store="python",
        layer=TOOLS,
        actions=does(
            install="self_add self_update self_install self_remove python_install",
            config="config cache_clear source",
            query="--version about list help self_show",
            project=(
                "install add update lock run shell build check remove sync publish show export init env env_use "
                "env_info env_remove version source_add python_list"
            ),
            paths="new",
        ),
        valued=words("-C -G -P --directory --group --only --project --with --without"),
        files=words("-C -P --directory --project"),
        home=("~/.config/pypoetry",),
    ),
    Manager(
        programs=("pipenv", "pdm", "hatch", "tox", "nox", "pip-sync", "pip-compile", "rye"),
        store="python",
        layer=TOOLS,
        actions=does(
            project="*",
            install="self_update self_add tools_install install-tool toolchain_fetch python_install",
            query="--version list",
        ),
        valued=words("-p --project"),
        files=words("-p --project"),
    ),
    Manager(
        programs=("go",),
        store="go",
        layer=TOOLS,
        actions=does(
            install="install",
            config="clean telemetry",
            query="version env help list doc tool",
            project=(
                "build run test get mod vet generate fmt work bug fix mod_download mod_tidy mod_init mod_vendor"
            ),
        ),
        valued=words("-C -gcflags -ldflags -mod -modfile -o -p -tags"),
        files=words("-C -modfile -o"),
        named=words("install"),
        home=("~/go", "~/.config/go"),
    ),
    Manager(
        programs=("gem",),
        store="ruby",
        layer=TOOLS,
        actions=does(
            install="install i update uninstall pristine cleanup rdoc",
            config="sources cert fetch",
            query=(
                "list env environment which search info specification outdated contents dependency help --version -v"
            ),
            project="build exec unpack",
            account="push signin signout owner yank",
        ),
        valued=words("-P --bindir --file -g -i --install-dir -n --platform -s --source --trust-policy -v --version"),
        files=words("--bindir --file -g -i --install-dir -n"),
        home=("~/.gem", "~/.gemrc"),
    ),
    Manager(
        programs=("bundle", "bundler"),
        store="ruby",
        layer=TOOLS,
        actions=does(
            project="*",
            query="--version -v version help env config_list",
        ),
        everywhere=words("--global"),
        wide=does(
            config="*",
        ),
        home=("~/.bundle",),
    ),
    Manager(
        programs=("composer",),
        store="php",
        layer=TOOLS,
        actions=does(
            install="global_require global_install global_update global_remove self-update selfupdate global_req",
            config="global_config clear-cache clearcache cc",
            query="--version -V about list diagnose global_show show search help",
            project=(
                "* install i update u upgrade require r req remove rm dump-autoload dumpautoload run-script exec "
                "config init validate check-platform-reqs"
            ),
            paths="create-project",
        ),
        everywhere=words("-g --global"),
        wide=does(
            config="config c",
            install="*",
        ),
        valued=words("-d --repository -s --stability --working-dir"),
        files=words("-d --working-dir"),
        home=("~/.composer", "~/.config/composer"),
    ),
    Manager(
        programs=(
            "pecl",
            "pear",
            "docker-php-ext-install",
            "docker-php-ext-enable",
            "docker-php-ext-configure",
            "phive",
        ),
        store="php",
        layer=TOOLCHAINS,
        actions=does(
            install="* _",
            query="list info search version",
            config="config-set channel-update",
        ),
    ),
    Manager(
        programs=("dotnet",),
        store="dotnet",
        layer=TOOLS,
        actions=does(
            install=(
                "workload_install workload_update workload_uninstall workload_repair new_install new_--install new_-i"
            ),
            config="nuget_add nuget_update nuget_locals nuget_enable nuget_disable new_uninstall",
            query=(
                "--version --info --list-sdks --list-runtimes tool_list workload_list workload_search help "
                "nuget_list sdk_check"
            ),
            project=(
                "* tool_install tool_restore tool_run tool_update restore build run test publish add remove watch "
                "ef new clean pack format sln workload_restore user-secrets list msbuild vstest"
            ),
        ),
        everywhere=words("-g --global --tool-path"),
        wide=does(
            install="tool_install tool_update tool_uninstall",
            query="tool_list",
        ),
        valued=words("--add-source --configfile --framework -n --name --project -s --source --tool-path --version"),
        files=words("--configfile --project --tool-path"),
        home=("~/.dotnet", "~/.nuget"),
    ),
    Manager(
        programs=("playwright", "cypress"),
        store="browsers",
        layer=TOOLS,
        actions=does(
            install="install install-deps", query="--version version", project="test open run verify codegen"
        ),
        home=("~/.cache/ms-playwright", "~/.cache/Cypress"),
    ),
    Manager(
        programs=("cpan", "cpanm"),
        store="other-languages",
        layer=TOOLS,
        actions=does(install="*", project="_ --installdeps", query="--info"),
    ),
    Manager(
        programs=("luarocks", "opam", "cabal", "stack", "ghcup", "raco", "mix", "coursier", "cs", "R"),
        store="other-languages",
        layer=TOOLS,
        actions=does(
            install=(
                "install init switch switch_create upgrade set local.hex local.rebar archive.install setup remove "
                "pin pkg_install reinstall"
            ),
            update="update",
            query="list show search env config --version -V version info path tool-info whereis",
            project="build run test exec deps.get compile make repl phx.server ecto.setup new _",
        ),
        named=words("install"),
    ),
    Manager(
        programs=(
            "helm",
            "krew",
            "az",
            "gcloud",
            "gh",
            "kubectl",
            "code",
            "code-server",
            "ansible-galaxy",
            "sdkmanager",
        ),
        store="extensions",
        layer=TOOLS,
        actions=does(
            install=(
                "plugin_install plugin_update repo_add repo_update components_install components_update "
                "extension_add krew_install krew_update install-deps collection_install role_install "
                "bicep_install platform-tools --licenses --install --install-extension"
            ),
            query="version --version -v help list --list --list-extensions --help",
        ),
        valued=words("--install-extension"),
    ),
    Manager(
        programs=("flutter", "dart"),
        store="other-languages",
        layer=TOOLCHAINS,
        actions=does(
            install="precache upgrade channel pub_global_activate downgrade",
            config="config --disable-analytics --disable-telemetry",
            query="doctor --version devices",
            project="pub_get pub run build test create analyze packages_get pub_upgrade compile format fix",
        ),
        home=("~/.pub-cache",),
    ),
)
