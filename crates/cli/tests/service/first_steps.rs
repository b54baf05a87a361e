//! `docs/first-steps.md`: its commands, taken out of the text and run by a shell in a fresh home,
//! end with a recognised name, and are fewer than ten.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::server_fixture::portrait;

/// The commands of the section with this heading.
fn commands(heading: &str) -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/first-steps.md");
    let text = fs::read_to_string(guide).unwrap();
    let (_, section) = text
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert!(
        block.lines().count() < 10,
        "{heading}: ten commands or more:\n{block}"
    );
    block.to_owned()
}

/// A home with photos, where `cargo install` has nothing left to do.
fn stage() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let bin = home.path().join("bin");
    for dir in ["bin", "Pictures", "people/Ida"] {
        fs::create_dir_all(home.path().join(dir)).unwrap();
    }
    let album = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
    for entry in fs::read_dir(album).unwrap() {
        let photo = entry.unwrap();
        let to = home.path().join("Pictures").join(photo.file_name());
        fs::copy(photo.path(), to).unwrap();
    }
    for (name, number) in [("people/Ida/1.jpg", 1), ("new.jpg", 2), ("visitor.jpg", 3)] {
        fs::write(home.path().join(name), portrait(number)).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        symlink(env!("CARGO_BIN_EXE_fusiform"), bin.join("fusiform")).unwrap();
        let cargo = bin.join("cargo");
        fs::write(
            &cargo,
            "#!/bin/sh\ntest \"$*\" = 'install --path crates/cli'\n",
        )
        .unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    }
    home
}

fn run(home: &Path, script: &str) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("FUSIFORM_") || name.starts_with("XDG_") {
            shell.env_remove(name);
        }
    }
    shell
        .args(["-e", "-c", script])
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[cfg(unix)]
#[test]
fn the_owner_of_an_album_finds_the_first_name() {
    let home = stage();
    let script = commands("You have photos");
    let ran = run(home.path(), &script);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let found = String::from_utf8_lossy(&ran.stdout);
    let last = found.lines().last().unwrap_or_default();
    assert!(last.contains("Aunt Ida"), "{found}");
}

#[cfg(unix)]
#[test]
fn the_owner_of_a_camera_is_told_the_first_name() {
    if Command::new("curl").arg("--version").output().is_err() {
        return fusiform_skips::skip("curl is not here", "install curl");
    }
    let home = stage();
    let script = commands("You have a camera, or a program of your own");
    // A port that is free, in place of the usual one; the shell waits for the server as a reader
    // does, and ends it at last.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let usual = "127.0.0.1:8000";
    assert!(
        script.contains(usual) && script.contains("serve --no-pages &\n"),
        "{script}"
    );
    let wait = format!(
        "serve --no-pages &\nserver=$!\ntrap 'kill $server' EXIT\n\
         until curl -s -o answer http://{free}/healthz; do sleep 0.1; done\n"
    );
    let script = script.replace(usual, &free.to_string());
    let script = script.replace("serve --no-pages &\n", &wait);
    let script = format!("export FUSIFORM_LISTEN={free}\n{script}");
    let ran = run(home.path(), &script);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let found = String::from_utf8_lossy(&ran.stdout);
    assert!(found.contains("\"person\":\"Ida\""), "{found}\n{said}");
}
