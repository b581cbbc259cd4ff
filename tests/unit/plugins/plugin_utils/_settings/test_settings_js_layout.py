# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine puts what, and what it leaves alone. Expected texts are the source with one replacement."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit

STOCK = """\
/** The default settings file, as most releases have it in short. */
module.exports = {

/*******************************************************************************
 * Security
 *  - adminAuth
 *  - https
 ******************************************************************************/

    /** To password protect the editor, uncomment this. */
    //adminAuth: {
    //    type: "credentials",
    //    users: [{
    //        username: "admin",
    //        permissions: "*"
    //    }]
    //},

    /** Option 1: static object */
    //https: {
    //  key: require("fs").readFileSync('privkey.pem'),
    //},

    /** Option 2: function */
    // https: function() {
    //     // This function should return the options object
    //     return {
    //         key: require("fs").readFileSync('privkey.pem'),
    //     }
    // },

    /** the tcp port that the Node-RED web server is listening on */
    uiPort: process.env.PORT || 1880,

     /** Five blanks, as in 2.0 */
     //uiHost: "127.0.0.1",

    editorTheme: {
        palette: {
            // catalogues: ["https://catalogue.nodered.org/catalogue.json"],
        },
        projects: {
            /** To enable the Projects feature, set this value to true */
            enabled: false,
        },
    },

    externalModules: {
        // autoInstall: false,
        // palette: {              /** Configuration for the Palette Manager */
        //     allowInstall: true,
        //     denyList: []
        // },
        // modules: {
        //     allowInstall: true,
        // }
    },
    debugMaxLength: 1000
    //functionTimeout: 0,
}
"""


def after_set(source: str, **settings: object) -> str:
    text = edit(source, set=settings).text
    assert edit(text, set=settings).text == text
    return text


def after_remove(source: str, *names: str) -> str:
    text = edit(source, remove=names).text
    assert edit(text, remove=names).text == text
    return text


def test_nothing_wanted_changes_nothing() -> None:
    assert edit(STOCK).text is STOCK


def test_an_active_setting_is_changed_in_place() -> None:
    assert after_set(STOCK, uiPort=1881) == STOCK.replace("process.env.PORT || 1880", "1881")


def test_a_new_setting_stands_below_its_commented_example() -> None:
    assert after_set(STOCK, adminAuth={"type": "credentials", "users": []}) == STOCK.replace(
        "    //    }]\n    //},\n",
        '    //    }]\n    //},\n    adminAuth: {\n        type: "credentials",\n        users: []\n    },\n',
    )


def test_of_two_examples_the_last_one_counts() -> None:
    assert after_set(STOCK, https=None) == STOCK.replace(
        "    //     }\n    // },\n", "    //     }\n    // },\n    https: null,\n"
    )


def test_the_indent_of_the_example_is_taken_over() -> None:
    assert after_set(STOCK, uiHost="::") == STOCK.replace('"127.0.0.1",\n', '"127.0.0.1",\n     uiHost: "::",\n')


def test_a_setting_without_an_example_goes_to_the_end() -> None:
    assert after_set(STOCK, lang="de") == STOCK.replace("1000\n", "1000,\n").replace(
        ": 0,\n}", ': 0,\n    lang: "de"\n}'
    )


def test_an_example_behind_the_last_property_gets_its_comma_on_both_sides() -> None:
    assert after_set(STOCK, functionTimeout=5) == STOCK.replace("1000\n", "1000,\n").replace(
        ": 0,\n}", ": 0,\n    functionTimeout: 5\n}"
    )


def test_a_table_of_contents_is_no_example() -> None:
    source = "module.exports = {\n    /*\n     *  - lang\n     */\n    uiPort: 1,\n}\n"
    assert after_set(source, lang="de") == source.replace("1,\n}", '1,\n    lang: "de",\n}')


def test_an_address_in_a_comment_is_no_example() -> None:
    source = "module.exports = {\n    // https://nodered.org\n    uiPort: 1,\n}\n"
    assert after_set(source, https=None) == source.replace("1,\n}", "1,\n    https: null,\n}")


def test_documentation_is_no_example() -> None:
    source = "module.exports = {\n    /** lang: the language */\n    uiPort: 1,\n}\n"
    assert after_set(source, lang="de") == source.replace("1,\n}", '1,\n    lang: "de",\n}')


def test_a_comment_right_of_code_is_no_example() -> None:
    source = "module.exports = {\n    uiPort: 1, // lang: de\n    uiHost: '::',\n}\n"
    assert after_set(source, lang="de") == source.replace("'::',\n", "'::',\n    lang: 'de',\n")


def test_a_key_inside_another_example_is_no_example() -> None:
    assert after_set(STOCK, users=1) == STOCK.replace("1000\n", "1000,\n").replace(": 0,\n}", ": 0,\n    users: 1\n}")


def test_an_example_in_a_block_comment_counts() -> None:
    source = "module.exports = {\n    /* lang: 'en', */\n    uiPort: 1,\n}\n"
    assert after_set(source, lang="de") == source.replace("*/\n", "*/\n    lang: 'de',\n").replace("'de'", '"de"')


def test_an_example_with_a_blank_line_inside_stays_whole() -> None:
    source = "module.exports = {\n    //lang: {\n    //  a: 1,\n\n    //  b: 2\n    //},\n    uiPort: 1,\n}\n"
    assert after_set(source, lang=1) == source.replace("//},\n", "//},\n    lang: 1,\n")


def test_an_example_that_never_closes_ends_at_the_blank_line() -> None:
    source = "module.exports = {\n    //lang: {\n    //  a: 1,\n\n    //uiHost: '::',\n    uiPort: 1,\n}\n"
    assert after_set(source, lang=1) == source.replace("a: 1,\n", "a: 1,\n    lang: 1,\n")


def test_a_dotted_path_changes_only_what_it_names() -> None:
    text = edit(STOCK, set={"editorTheme.projects.enabled": True}).text
    assert text == STOCK.replace("enabled: false", "enabled: true")


def test_a_dotted_path_finds_the_example_in_its_object() -> None:
    text = edit(STOCK, set={"editorTheme.palette.catalogues": ["x"]}).text
    line = '            // catalogues: ["https://catalogue.nodered.org/catalogue.json"],\n'
    assert text == STOCK.replace(line, line + '            catalogues: ["x"]\n')


def test_a_parent_that_is_only_commented_is_made_below_its_comment() -> None:
    text = edit(STOCK, set={"externalModules.palette.allowInstall": False}).text
    above = "        //     denyList: []\n        // },\n"
    assert text == STOCK.replace(above, above + "        palette: {\n            allowInstall: false\n        }\n")


def test_several_paths_share_the_parents_they_need() -> None:
    text = edit("module.exports = {\n}\n", set={"a.b.c": 1, "a.b.d": 2, "a.e": 3}).text
    assert text == (
        "module.exports = {\n    a: {\n        b: {\n            c: 1,\n            d: 2,\n        },\n"
        "        e: 3,\n    },\n}\n"
    )


def test_a_parent_that_is_null_becomes_an_object() -> None:
    assert edit("module.exports = {\n    a: null,\n}\n", set={"a.b": 1}).text == (
        "module.exports = {\n    a: {\n        b: 1,\n    },\n}\n"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("module.exports = {}", "module.exports = {\n    b: 2,\n}"),
        ("module.exports = { a: 1 }", "module.exports = { a: 1, b: 2 }"),
        ("module.exports = { a: 1, };", "module.exports = { a: 1, b: 2, };"),
        ("module.exports = {a:1}", "module.exports = {a:1, b: 2}"),
        ("module.exports = {\n  a: 1 }", "module.exports = {\n  a: 1,\n  b: 2 }"),
        ("module.exports = {\n  a: 1 // x\n}", "module.exports = {\n  a: 1, // x\n  b: 2\n}"),
        ("module.exports = {\n  a: 1\n  // x\n}", "module.exports = {\n  a: 1,\n  // x\n  b: 2\n}"),
        ("module.exports = {\n  a: 1, /* x */ }", "module.exports = {\n  a: 1, /* x */\n  b: 2, }"),
        ("module.exports = {\n  // x\n}", "module.exports = {\n  // x\n    b: 2,\n}"),
        ("module.exports = { /* x */ }", "module.exports = { /* x */\n    b: 2,\n}"),
        ("module.exports = {\n\ta: 1,\n}", "module.exports = {\n\ta: 1,\n\tb: 2,\n}"),
        ("module.exports = {\r\n  a: 1\r\n}", "module.exports = {\r\n  a: 1,\r\n  b: 2\r\n}"),
        ('module.exports = {\n  "a": 1\n}', 'module.exports = {\n  "a": 1,\n  "b": 2\n}'),
        ("module.exports = {\n    a: 1\n  , c: 3\n}", "module.exports = {\n    a: 1\n  , c: 3,\n    b: 2\n}"),
        (
            "module.exports = {\n    a: 1\n    //b: 0\n    , c: 3\n}",
            "module.exports = {\n    a: 1\n    //b: 0\n    , b: 2\n    , c: 3\n}",
        ),
        ("module.exports = { ...x, a: 1 }", "module.exports = { ...x, a: 1, b: 2 }"),
        (
            "module.exports = {\n  //b: 1,\n  ...x,\n  a: 1,\n}",
            "module.exports = {\n  //b: 1,\n  ...x,\n  a: 1,\n  b: 2,\n}",
        ),
        ("exports.a = 1", "exports.a = 1\nexports.b = 2;"),
        ("exports['a'] = 1;\nf();\n", "exports['a'] = 1;\nexports['b'] = 2;\nf();\n"),
        ("const s = module.exports = {};\ns.a = 1;\n", "const s = module.exports = {\n    b: 2,\n};\ns.a = 1;\n"),
        ("Object.assign(module.exports, { a: 1 })", "Object.assign(module.exports, { a: 1, b: 2 })"),
    ],
)
def test_commas_and_braces_come_out_right(source: str, expected: str) -> None:
    assert after_set(source, b=2) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("module.exports = { b: 2 }", "module.exports = { }"),
        ("module.exports = { a: 1, b: 2 }", "module.exports = { a: 1 }"),
        ("module.exports = { a: 1, b: 2, }", "module.exports = { a: 1, }"),
        ("module.exports = { b: 2, a: 1 }", "module.exports = { a: 1 }"),
        ("module.exports = {\n  a: 1,\n  b: 2\n}", "module.exports = {\n  a: 1,\n}"),
        ("module.exports = {\n  b: 2, // x\n  a: 1\n}", "module.exports = {\n  // x\n  a: 1\n}"),
        ("module.exports = {\n  // x\n  b: 2,\n\n  a: 1\n}", "module.exports = {\n  // x\n\n  a: 1\n}"),
        ("module.exports = {\n  a: 1,\n  b: 2 }", "module.exports = {\n  a: 1,\n }"),
        ("module.exports = {\n  b: 2 // x\n  , a: 1\n}", "module.exports = {\n  // x\n  a: 1\n}"),
        ("module.exports = { b: 1, a: 1, b: 2 }", "module.exports = { a: 1 }"),
        (
            "module.exports = {\n  b: {\n    // x\n    c: 1, /* y */\n  },\n}",
            "module.exports = {\n  // x\n  /* y */\n}",
        ),
        ("module.exports = {\n  b: 1,\n};\nmodule.exports.b = 2;\n", "module.exports = {\n};\n"),
        (
            "module.exports = { a: { b: 1 } };\nmodule.exports.a.b = 2;",
            "module.exports = { a: { b: 1 } };\nmodule.exports.a.b = 2;",
        ),
        ("exports.a = 1;\nexports.b = { // x\n};\nf();", "exports.a = 1;\n// x\nf();"),
        ("module.exports = { get b() { return 1 }, set b(v) {}, a: 1 }", "module.exports = { a: 1 }"),
    ],
)
def test_a_removed_setting_leaves_its_comments(source: str, expected: str) -> None:
    assert after_remove(source, "b") == expected


def test_comments_inside_a_value_that_goes_stay_above_it() -> None:
    source = "module.exports = {\n    a: {\n        // first\n        b: 1, /* second */\n    },\n}\n"
    assert after_set(source, a=None) == "module.exports = {\n    // first\n    /* second */\n    a: null,\n}\n"


def test_a_comment_that_the_new_value_has_too_is_not_doubled() -> None:
    source = "module.exports = {\n    https: function () { /* why */ return 1 },\n}\n"
    wanted = {"$js": "function () { /* why */ return 2 }"}
    assert after_set(source, https=wanted) == source.replace("return 1", "return 2")


def test_a_function_that_only_reads_does_no_harm() -> None:
    source = "module.exports = { a: { b: [] } };\nconsole.log(module.exports.a.b.map(c => c.d));\n"
    assert edit(source, set={"a": {"b": [1]}}).text == source.replace("[]", "[1]")


def test_an_object_keeps_what_is_wanted_of_it() -> None:
    source = """module.exports = {
    adminAuth: {
        // who may log in
        type: "credentials", // not "strategy"
        users: [
            { username: 'bob', permissions: "read" }, // the guest
            { username: 'ann', permissions: "*" }
        ],
        sessionExpiryTime: 86400,
    },
}
"""
    wanted = {
        "type": "credentials",
        "users": [{"username": "bob", "permissions": "*"}, {"username": "ann", "permissions": "*"}],
    }
    assert after_set(source, adminAuth=wanted) == source.replace('"read"', '"*"').replace(
        "        sessionExpiryTime: 86400,\n", ""
    )


def test_users_are_matched_by_name() -> None:
    source = """module.exports = {
    adminAuth: { type: "credentials", users: [
        { username: "ann" }, // one
        { username: "bob" }, // two
        { username: "cy" }, // three
    ] },
}
"""
    wanted = [{"username": "ann"}, {"username": "new"}, {"username": "cy"}]
    assert edit(source, set={"adminAuth.users": wanted}).text == source.replace(
        '        { username: "bob" }, // two\n',
        '        // two\n        {\n            username: "new",\n        },\n',
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["a", "b", "c", "d"], "['a', /* x */ 'b', 'c', 'd']"),
        (["a", "c"], "['a', /* x */ 'c']"),
        (["b", "c"], "[/* x */ 'b', 'c']"),
        (["a", "z", "c"], "['a', /* x */ 'z', 'c']"),
        ([], "[/* x */ ]"),
    ],
)
def test_a_list_keeps_the_elements_that_stay(wanted: list[str], expected: str) -> None:
    source = "module.exports = { categories: ['a', /* x */ 'b', 'c'] }"
    assert after_set(source, categories=wanted) == source.replace("['a', /* x */ 'b', 'c']", expected)


def test_a_method_becomes_a_property() -> None:
    assert (
        after_set("module.exports = { https() { return 1 }, a: 1 }", https=None)
        == "module.exports = { https: null, a: 1 }"
    )


def test_a_shorthand_property_becomes_a_full_one() -> None:
    source = "const uiPort = 1;\nmodule.exports = { uiPort, a: 1 }"
    assert after_set(source, uiPort=2) == source.replace("{ uiPort,", "{ uiPort: 2,")


def test_the_last_of_duplicate_keys_is_edited() -> None:
    assert after_set("module.exports = { a: 1, a: 2 }", a=3) == "module.exports = { a: 1, a: 3 }"


def test_a_later_assignment_is_edited_where_it_stands() -> None:
    source = "const s = module.exports = { a: 1 };\ns['a'] = 2; // last word\n"
    assert after_set(source, a=3) == source.replace("2;", "3;")


def test_new_text_has_the_quotes_of_the_file() -> None:
    source = "module.exports = {\n    a: 'x',\n    b: 'y',\n}\n"
    assert after_set(source, c="it's") == source.replace("'y',\n", "'y',\n    c: 'it\\'s',\n")


def test_quotes_inside_a_string_do_not_count() -> None:
    source = 'module.exports = {\n    a: \'{"x": "y"}\',\n    b: { c: `""` },\n}\n'
    assert after_set(source, d="z") == source.replace("` },\n", "` },\n    d: 'z',\n")


def test_keys_in_a_json_style_object_are_quoted_like_their_neighbours() -> None:
    source = 'module.exports = {\n    a: {\n        "b": 1\n    },\n}\n'
    assert edit(source, set={"a.c": 2}).text == source.replace('"b": 1\n', '"b": 1,\n        "c": 2,\n').replace(
        '"c": 2,', '"c": 2'
    )


@pytest.mark.parametrize(
    "source", ["\ufeff" + STOCK, STOCK.replace("\n", "\r\n"), STOCK.rstrip("\n"), "#!/usr/bin/env node\n" + STOCK]
)
def test_byte_order_mark_line_ends_and_first_line_stay(source: str) -> None:
    text = after_set(source, uiPort=1881, adminAuth={"type": "x"}, lang="de")
    lines = text.splitlines(keepends=True)
    kept = [line for line in source.splitlines(keepends=True) if "uiPort" not in line and "1000" not in line]
    rest = iter(lines)
    assert all(line in rest for line in kept)
    assert len({line[len(line.rstrip("\r\n")) :] for line in lines[:-1]}) == 1


def test_bytes_that_are_no_utf_8_stay() -> None:
    source = b"module.exports = { // caf\xe9\n    a: 1,\n    b: '\xff',\n}\n".decode("utf-8", "surrogateescape")
    assert after_set(source, a=2) == source.replace("a: 1", "a: 2")


def test_old_mac_line_ends_are_lines() -> None:
    source = "module.exports = {\r  a: 1,\r  //b: 2\r  c: 3,\r}\r"
    assert edit(source, set={"a": 2}).text == source.replace("a: 1", "a: 2")


def test_a_value_of_several_lines_is_written_one_key_a_line() -> None:
    wanted = {"type": "credentials", "users": [{"username": "admin", "permissions": ["flows.read", "status.read"]}]}
    assert (
        after_set("module.exports = {\n  a: 1,\n};\n", adminAuth=wanted)
        == """module.exports = {
  a: 1,
  adminAuth: {
    type: "credentials",
    users: [
      {
        username: "admin",
        permissions: ["flows.read", "status.read"],
      },
    ],
  },
};
"""
    )


def test_a_changed_name_is_reported_as_the_caller_wrote_it() -> None:
    result = edit(STOCK, set={"uiPort": 1, "editorTheme.projects.enabled": False}, remove=["debugMaxLength", "nope"])
    assert result.changed == ("uiPort", "debugMaxLength")


def test_every_value_stands_inside_the_exported_object() -> None:
    # The installer's upgrade merge drops what follows the exported object's closing brace.
    text = after_set(STOCK, uiPort=1, adminAuth={"type": "x"}, lang="de", https={"$js": "f()"})
    assert text.rstrip().endswith("}")
    assert text.count("module.exports") == STOCK.count("module.exports")


def test_edits_are_refused_where_the_whole_has_parts_elsewhere() -> None:
    source = "module.exports = { a: { ...x } };\nmodule.exports.a.b = 1;\n"
    with pytest.raises(SettingsError, match=r"settings\.js:2:1"):
        edit(source, set={"a": {"c": 1}})


@pytest.mark.parametrize(
    "source",
    [
        "module.exports = { a: { ...{} } };",
        "module.exports = { a: { ...{}, b: 1 } };",
        "const none = {};\nmodule.exports = { a: { ...none, b: 1 } };",
        "module.exports = { a: { ...null } };",
    ],
)
def test_an_object_with_an_empty_spread_is_written_anew(source):
    assert "a: {}" in edit(source, set={"a": {}}).text


def test_a_rejected_result_is_shown_at_a_place():
    with pytest.raises(SettingsError, match="is empty") as refusal:
        edit("exports.a = 1;\n", remove=["a"])
    assert refusal.value.line == 1


USERS = """\
module.exports = {
    adminAuth: {
        users: [{
            // the admin
            username: "admin", // name
            password: "h"
        }, {
            username: "guest", /* often here */
            password: "h"
        }]
    },
}
"""


def with_users(source, *names):
    users = [{"username": name, "password": "h"} for name in names]
    text = edit(source, set={"adminAuth.users": users}).text
    assert edit(text, set={"adminAuth.users": users}).text == text
    assert not [line for line in text.split("\n") if line and not line.strip()]
    for comment in ("// the admin", "// name", "/* often here */"):
        assert text.count(comment) == source.count(comment)
    return text


def test_new_users_stand_where_the_old_ones_began_above_the_comments_of_these():
    assert (
        with_users(USERS, "eva")
        == """\
module.exports = {
    adminAuth: {
        users: [{
            username: "eva",
            password: "h",
        }
            // the admin
            // name
            /* often here */
        ]
    },
}
"""
    )


def test_new_users_on_lines_of_their_own_stay_there():
    source = """\
module.exports = {
    adminAuth: {
        users: [
          // the admin
          { username: "admin", password: "h" }, // name
          { username: "guest", password: "h" }
        ]
    },
}
"""
    assert (
        with_users(source, "eva", "bob")
        == """\
module.exports = {
    adminAuth: {
        users: [
          {
              username: "eva",
              password: "h",
          },
          {
              username: "bob",
              password: "h",
          }
          // the admin
          // name
        ]
    },
}
"""
    )


@pytest.mark.parametrize("names", [("admin",), ("guest",), ("admin", "eva"), ("eva", "guest"), ("eva", "bob"), ()])
@pytest.mark.parametrize(
    "source",
    [
        USERS,
        USERS.replace("}]", "} ]"),
        USERS.replace("}]", "},\n        ]"),
        USERS.replace("    ", "\t"),
        USERS.replace("}, {", "},\n        {"),
    ],
)
def test_a_changed_list_of_users_has_no_blank_lines_and_keeps_comments(source, names):
    with_users(source, *names)
    crlf = source.replace("\n", "\r\n")
    assert with_users(crlf, *names).count("\n") == with_users(crlf, *names).count("\r\n")


@pytest.mark.parametrize("parts", [101, 500, 5000])
def test_a_name_of_too_many_parts_is_rejected(parts):
    name = ".".join(["a"] * parts)
    for wish in ({"set": {name: 1}}, {"remove": [name]}):
        with pytest.raises(SettingsError, match="at most 100") as refusal:
            edit("module.exports = {}", **wish)
        assert refusal.value.remedy


def test_a_name_of_as_many_parts_as_allowed_is_set():
    name = ".".join(["a"] * 100)
    text = edit("module.exports = {};", set={name: 1}).text
    assert edit(text, set={name: 1}).text == text
    assert edit(text, remove=[name]).changed == (name,)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("module.exports = {a: //c1\n1 };\n", "module.exports = {\n//c1\n};\n"),
        ("module.exports = {a: //c1\n1};\n", "module.exports = {\n//c1\n};\n"),
        ("module.exports = { b: 2, a: //c1\n1 };\n", "module.exports = { b: 2\n//c1\n};\n"),
        ("module.exports = {a: //c1\n1 \n};\n", "module.exports = {\n//c1\n};\n"),
    ],
)
def test_a_line_comment_inside_of_what_is_removed_never_hides_the_bracket(source, expected):
    assert edit(source, remove=["a"]).text == expected
