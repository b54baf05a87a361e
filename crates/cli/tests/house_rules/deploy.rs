//! The compose files of `deploy`. In: YAML. Out: whether each runs Fusiform with the same few
//! rights, on any architecture.

use std::fs;

use yaml_rust2::{Yaml, YamlLoader};

use super::root;

/// Every compose file with its name.
fn compose_files() -> Vec<(String, Yaml)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("deploy")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".compose.yaml") {
            let text = fs::read_to_string(path).unwrap();
            let mut documents = YamlLoader::load_from_str(&text).expect(&name);
            assert_eq!(documents.len(), 1, "{name}");
            found.push((name, documents.remove(0)));
        }
    }
    found
}

#[test]
fn compose_files_give_fusiform_the_same_few_rights() {
    let files = compose_files();
    assert!(files.len() >= 2, "{files:?}");
    let has = |list: &Yaml, wanted: &str| {
        let items = list.as_vec().into_iter().flatten();
        items.filter_map(Yaml::as_str).any(|item| item == wanted)
    };
    for (name, file) in files {
        let service = &file["services"]["fusiform"];
        assert_eq!(
            service["build"]["dockerfile"].as_str(),
            Some("deploy/Dockerfile"),
            "{name}"
        );
        assert_eq!(service["read_only"].as_bool(), Some(true), "{name}");
        assert_eq!(service["ulimits"]["core"].as_i64(), Some(0), "{name}");
        assert_eq!(
            service["restart"].as_str(),
            Some("unless-stopped"),
            "{name}"
        );
        assert!(has(&service["cap_drop"], "ALL"), "{name}");
        assert!(
            has(&service["security_opt"], "no-new-privileges:true"),
            "{name}"
        );
        assert!(has(&service["tmpfs"], "/tmp"), "{name}");
        assert!(has(&service["volumes"], "fusiform:/data"), "{name}");
        // Built where it runs, on x86-64 and arm64, and reached by its network alone.
        for absent in [
            "platform",
            "ports",
            "privileged",
            "network_mode",
            "cap_add",
            "user",
        ] {
            assert!(service[absent].is_badvalue(), "{name}: {absent}");
        }
        assert!(!file["volumes"]["fusiform"].is_badvalue(), "{name}");
    }
}
