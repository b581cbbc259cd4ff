# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shlex

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line, _followed, _launchers
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._followed import Start
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._launchers import Launch
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word


def launched(text):
    return _launchers.follow(Launch([Word(word) for word in shlex.split(text)]))


def words(launch):
    return [word.text for word in launch.words]


@pytest.mark.parametrize(
    "text",
    [
        "nice -n 5 ionice -c 2 node-red -v",
        "chrt -f 20 node-red -v",
        "taskset -c 0 node-red -v",
        "timeout -k 5 1d node-red -v",
        "stdbuf -oL node-red -v",
        "flock -n /run/x.lock node-red -v",
        "setsid -w nohup node-red -v",
        "tini -g -p SIGTERM -- node-red -v",
        "dumb-init -r 15:2 -- node-red -v",
        "authbind --deep --depth 3 node-red -v",
        "systemd-cat -t nodered node-red -v",
        "systemd-inhibit --what=sleep node-red -v",
        "sudo -u pi -H A=b node-red -v",
        "sudo --user=pi -E -- node-red -v",
        "doas -u pi node-red -v",
        "runuser -u pi -- node-red -v",
        "runuser -u pi node-red -v",
        "runuser pi -c 'node-red -v'",
        "su - pi -s /bin/bash -c 'exec node-red -v'",
        "setpriv --reuid=pi --init-groups --inh-caps=-all node-red -v",
        "chpst -u pi -m 1000 node-red -v",
        "setuidgid pi node-red -v",
        "gosu pi:pi node-red -v",
        "bash -lc 'node-red -v'",
        "bash -l -c 'node-red -v >>/var/log/nodered.log 2>&1'",
        "sh -ec 'umask 077; cd /srv && exec nice node-red -v'",
        "bash -c '. $HOME/.nvm/nvm.sh && nvm use 20 && A=b node-red -v'",
        "/home/pi/.nvm/nvm-exec node-red -v",
        "env -C /srv A=b env -S 'node-red -v'",
    ],
)
def test_launchers_are_followed_to_node_red(text):
    assert words(launched(text)) == ["node-red", "-v"]


@pytest.mark.parametrize(
    "text",
    [
        "bash /opt/start.sh",
        "bash -c 'node-red -v || reboot'",
        "bash -c 'node-red -v | tee /var/log/x'",
        "bash -c 'while true; do node-red; done'",
        "bash -c 'node-red $OPTIONS'",
        "bash -c 'node-red -p $(cat port)'",
        "bash -c '(node-red)'",
        "bash -c 'node-red &'",
        'bash -c "node-red \'unfinished"',
        "bash",
        "sudo -u",
        "su pi",
        "tini",
        "env " * 50 + "node-red",
    ],
)
def test_what_needs_a_shell_or_says_nothing_leads_nowhere(text):
    assert launched(text).words == []


def test_a_command_after_node_red_is_what_the_script_leads_to():
    assert words(launched("sh -c 'node-red; echo over'")) == ["echo", "over"]


@pytest.mark.parametrize(
    "text, user",
    [
        ("runuser -u pi -- node-red", "pi"),
        ("runuser --user=pi -- node-red", "pi"),
        ("runuser -l pi -c node-red", "pi"),
        ("su - -c node-red", "root"),
        ("sudo -upi node-red", "pi"),
        ("sudo -g video -u pi node-red", "pi"),
        ("sudo node-red", "root"),
        ("gosu pi:video node-red", "pi"),
        ("setpriv --reuid=1000 node-red", "1000"),
        ("chpst -u pi node-red", "pi"),
        ("tini -- node-red", None),
    ],
)
def test_the_user_that_a_launcher_changes_to_is_known(text, user):
    launch = launched(text)
    assert launch.user == user
    assert launch.indirect is (user is not None)


def test_what_a_script_does_before_node_red_is_kept():
    launch = launched(
        "bash -c 'export NVM_DIR=$HOME/.nvm PORT=1881; [ -s x ] && source $NVM_DIR/nvm.sh; nvm use 18; cd x; node-red'"
    )
    assert launch.assignments == {"NVM_DIR": "$HOME/.nvm", "PORT": "1881"}
    assert (launch.nvm, launch.nvm_version, launch.folders, launch.unclear) == ("$NVM_DIR/nvm.sh", "18", ["x"], "")
    assert launch.in_script
    assert launched("bash -c 'eval $(fnm env); node-red'").unclear == "eval $(fnm env)"


def test_a_variable_in_a_script_stays_one_of_its_file():
    """What the service user can write never counts as written by root."""
    words_ = [Word("sh"), Word("-c"), Word("node-red -u /data", "FROM_FILE")]
    assert _command_line.parse(words_).user_dir.variable == "FROM_FILE"


# By files


@pytest.fixture
def followed(tmp_path):
    """Follow a command line by the files in tmp_path, which is the home directory, too."""

    def follow(text, folder=tmp_path, **environment):
        start = Start(launched(text), {"HOME": str(tmp_path), "PATH": "/usr/bin", **environment}, str(folder))
        return Start.loaded(json.loads(json.dumps(_followed.followed(start, False))))

    return follow


def line_of(start):
    return _command_line.of(start.launch)


@pytest.mark.parametrize(
    "command",
    ["npm start", "npm run start", "npm --silent run-script start", "yarn start", "pnpm run start", "yarn run start"],
)
def test_a_script_of_package_json_is_followed_in_its_folder(followed, tmp_path, command):
    project = tmp_path / "project"
    (project / "below").mkdir(parents=True)
    (project / "package.json").write_text(json.dumps({"scripts": {"start": "PORT=1 node-red -p 1881"}}))
    start = followed(command, project / "below")
    assert line_of(start).port.value == "1881"
    assert line_of(start).file == str(project / "package.json")
    assert line_of(start).in_script
    assert start.working_directory == str(project)
    assert start.environment["PATH"].split(":")[0] == str(project / "node_modules" / ".bin")
    assert start.environment["PORT"] == "1"


def test_npm_takes_a_folder_and_hands_arguments_on(followed, tmp_path):
    (tmp_path / "package.json").write_text(json.dumps({"scripts": {"it": "npm run that", "that": "node-red"}}))
    assert line_of(followed(f"npm --prefix {tmp_path} run it", "/")).program == "node-red"
    assert line_of(followed("npm run that -- -p 1881")).port.value == "1881"


@pytest.mark.parametrize(
    "package",
    ["", "[]", "{", json.dumps({"scripts": {"start": ["x"]}}), json.dumps({"scripts": {"start": "npm start"}})],
)
def test_a_package_without_such_a_script_leads_nowhere(followed, tmp_path, package):
    (tmp_path / "package.json").write_text(package)
    assert line_of(followed("npm start")) is None


@pytest.mark.parametrize("command", ["npx node-red -v", "npx -y -p node-red node-red@4 -v", "npm exec -- node-red -v"])
def test_npx_finds_the_program_of_its_own_folder(followed, tmp_path, command):
    own = tmp_path / ".npm/_npx/5f/node_modules/.bin"
    own.mkdir(parents=True)
    (own / "node-red").write_text("")
    (own / "node-red").chmod(0o755)
    start = followed(command)
    assert line_of(start).arguments == ["-v"]
    assert start.environment["PATH"].endswith(str(own))


def app(**different):
    kept = {"pm_exec_path": "/usr/bin/node-red", "exec_interpreter": "node", "args": ["-p", "1881"], "pm_cwd": "/srv"}
    return {**kept, "node_args": [], "env": {"PORT": "2", "number": 3}, **different}


def test_pm2_starts_what_it_has_saved(followed, tmp_path):
    (tmp_path / ".pm2").mkdir()
    dump = tmp_path / ".pm2" / "dump.pm2"
    dump.write_text(json.dumps([app(), {"pm_exec_path": "/srv/other.js", "exec_interpreter": "node"}, "x"]))
    start = followed("/usr/bin/pm2 resurrect")
    assert (line_of(start).port.value, line_of(start).node, line_of(start).file) == ("1881", "node", str(dump))
    assert (start.working_directory, start.environment["PORT"]) == ("/srv", "2")


@pytest.mark.parametrize(
    "kept, said", [("", "no Node-RED"), ("[]", "no Node-RED"), (json.dumps([app()] * 2), "2 Node-REDs")]
)
def test_pm2_must_have_saved_one_node_red(followed, tmp_path, kept, said):
    (tmp_path / ".pm2").mkdir()
    (tmp_path / ".pm2" / "dump.pm2").write_text(kept)
    with pytest.raises(Failure, match=said) as failure:
        followed("/usr/bin/pm2 resurrect")
    assert "pm2 save" in failure.value.remedy


@pytest.mark.parametrize(
    "command, version",
    [
        ("bash -c '. ~/.nvm/nvm.sh && node-red'", "v20.9.0"),
        ("bash -c '. ~/.nvm/nvm.sh && nvm use 18 && node-red'", "v18.20.8"),
        ("bash -c 'export NVM_DIR=$HOME/.nvm; . $NVM_DIR/nvm.sh; nvm use lts/old; node-red'", "v18.2.0"),
    ],
)
def test_nvm_chooses_a_node(followed, tmp_path, command, version):
    nvm = tmp_path / ".nvm"
    for one in ("v18.2.0", "v18.20.8", "v20.9.0"):
        (nvm / "versions/node" / one / "bin").mkdir(parents=True)
    (nvm / "alias/lts").mkdir(parents=True)
    (nvm / "alias/default").write_text("20\n")
    (nvm / "alias/lts/old").write_text("v18.2.0\n")
    assert followed(command).environment["PATH"].split(":")[0] == str(nvm / "versions/node" / version / "bin")


def test_nvm_exec_follows_the_file_of_its_folder(followed, tmp_path):
    (tmp_path / ".nvm/versions/node/v18.2.0/bin").mkdir(parents=True)
    (tmp_path / ".nvmrc").write_text("18\n")
    assert "v18.2.0" in followed(f"{tmp_path}/.nvm/nvm-exec node-red").environment["PATH"]
    (tmp_path / ".nvmrc").write_text("22\n")
    with pytest.raises(Failure, match="no Node.js for '22'"):
        followed(f"{tmp_path}/.nvm/nvm-exec node-red")


def test_what_only_the_process_shows_is_not_guessed_without_one(followed):
    with pytest.raises(Failure, match="login shell"):
        followed("bash -lc node-red")
