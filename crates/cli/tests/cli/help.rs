//! What a newcomer sees: help with an example for every command, exit codes that mean something.

use crate::stage::Stage;

#[test]
fn every_command_has_help_with_an_example() {
    let stage = Stage::bare();
    let commands = [
        "scan",
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
    stage.run(&["scan"]).ended_with(2);
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
