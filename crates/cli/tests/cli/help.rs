//! What a newcomer sees: help with an example for every command, exit codes that mean something.

use crate::stage::Stage;

#[test]
fn every_command_has_help_with_an_example() {
    let stage = Stage::bare();
    let commands = [
        "scan",
        "watch",
        "folders list",
        "folders add",
        "folders remove",
        "face add",
        "cover",
        "import immich",
        "people",
        "person",
        "name",
        "merge",
        "split",
        "ignore",
        "undo",
        "is",
        "not",
        "differ",
        "not-a-face",
        "hide",
        "erase",
        "history",
        "review",
        "leftovers",
        "together",
        "photo",
        "detect",
        "verify",
        "find",
        "report",
        "eval lfw",
        "eval cluster",
        "eval robustness",
        "eval detect",
        "eval quality",
        "eval redact",
        "calibrate",
        "models list",
        "models show",
        "models add",
        "models verify",
        "bench",
        "doctor",
        "serve",
        "key",
        "audit verify",
        "audit list",
        "vault backup",
        "vault restore",
        "vault rekey",
        "import compreface",
        "enrol",
        "setup",
    ];
    for command in commands {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = stage.run(&args).ended_with(0).stdout();
        assert!(help.contains("Example: fusiform"), "{command}:\n{help}");
    }
}

#[test]
fn wrong_usage_is_2_and_a_missing_catalogue_says_what_makes_one() {
    let stage = Stage::bare();
    stage.run(&["frobnicate"]).ended_with(2);
    stage
        .run(&["people"])
        .ended_with(4)
        .says(&["catalogue.db", "fusiform scan DIR"]);
}

#[test]
fn an_instruction_set_that_is_not_there_is_refused_by_name() {
    let stage = Stage::bare();
    stage
        .run(&["doctor", "--isa", "mmx"])
        .ended_with(4)
        .says(&["mmx", "scalar"]);
}

#[test]
fn every_shell_gets_a_completion_script_that_knows_the_commands() {
    let stage = Stage::bare();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stage.run(&["completions", shell]).ended_with(0).stdout();
        for word in ["not-a-face", "leftovers", "compreface", "min-face"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
        assert!(script.contains("fusiform"), "{shell}");
    }
    stage.run(&["completions", "cmd"]).ended_with(2);
    // Neither needs settings that can be read.
    std::fs::create_dir_all(stage.path("home")).unwrap();
    std::fs::write(stage.path("home/config.toml"), "broken").unwrap();
    stage.run(&["doctor"]).ended_with(4).says(&["config.toml"]);
    stage.run(&["completions", "zsh"]).ended_with(0);
}

#[test]
fn every_command_has_a_man_page_with_its_example() {
    let stage = Stage::bare();
    stage.run(&["man", "share/man1"]).ended_with(0);
    let page = |name: &str| {
        let file = stage.path(&format!("share/man1/{name}.1"));
        std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let whole = page("fusiform");
    assert!(
        whole.contains("Exit codes: 0 done") && whole.contains("not\\-a\\-face"),
        "{whole}"
    );
    for name in [
        "scan",
        "models-add",
        "eval-lfw",
        "import-compreface",
        "vault-rekey",
        "enrol",
        "setup",
    ] {
        let text = page(&format!("fusiform-{name}"));
        let words = name.replace('-', " ");
        let example = format!("Example: fusiform {words}");
        assert!(text.contains(&example), "{name}:\n{text}");
    }
    assert!(page("fusiform-detect").contains("\\-\\-min\\-face"));
    stage
        .run(&["man", "share/man1/fusiform.1"])
        .ended_with(4)
        .says(&["fusiform.1"]);
}
