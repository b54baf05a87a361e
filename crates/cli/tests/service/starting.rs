//! The first start, where nobody can call another command: what is made and printed once.

use crate::server_fixture::{Home, Server};

#[test]
fn the_first_start_prints_keys_that_work_and_the_second_prints_none() {
    let home = Home::empty();
    let command = || home.command(&["-q", "serve", "--listen", "127.0.0.1:0", "--no-pages"]);
    let mut server = Server::start(command());
    let lines = [server.line(), server.line()];
    let key = |word: &str| {
        let line = lines.iter().find(|l| l.contains(word)).expect(word);
        line.rsplit_once(": ").unwrap().1.to_owned()
    };
    let (recognition, admin) = (key("recognition"), key("admin"));
    let subjects = server.get("/api/v1/recognition/subjects", &recognition);
    assert_eq!(subjects.status, 200, "{lines:?}");
    let collections = server.get("/api/fusiform/v1/collections", &admin);
    assert_eq!(collections.status, 200, "{lines:?}");
    drop(server);
    let mut server = Server::start(command());
    server.signal("-TERM");
    assert_eq!(server.line(), "", "nothing is printed again");
}

#[test]
fn keys_of_a_start_that_fails_are_shown_and_work_at_the_next() {
    let home = Home::empty();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let failed = home.run(&["-q", "serve", "--listen", &listen, "--no-pages"]);
    assert_eq!(failed.status.code(), Some(4), "{failed:?}");
    let lines = String::from_utf8(failed.stdout).unwrap();
    let line = lines.lines().find(|l| l.contains("recognition")).unwrap();
    let key = line.rsplit_once(": ").unwrap().1;
    let server =
        Server::start(home.command(&["-q", "serve", "--listen", "127.0.0.1:0", "--no-pages"]));
    let subjects = server.get("/api/v1/recognition/subjects", key);
    assert_eq!(subjects.status, 200, "{lines}");
}

#[test]
fn beyond_this_machine_the_pages_get_a_password_that_is_printed_once() {
    let home = Home::empty();
    let command = || home.command(&["-q", "serve", "--listen", "0.0.0.0:0"]);
    let mut server = Server::start(command());
    let lines = [server.line(), server.line(), server.line()];
    let line = lines
        .iter()
        .find(|l| l.contains("password"))
        .expect("a password");
    let password = line.rsplit_once(": ").unwrap().1;
    let file = home.path("pages.password");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), password);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    drop(server);
    let mut server = Server::start(command());
    server.signal("-TERM");
    assert_eq!(server.line(), "", "nothing is printed again");
}
