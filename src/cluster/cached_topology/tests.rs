use super::*;

fn settings(seeds: &[&str], cluster_name: Option<&str>) -> Settings {
    Settings {
        password: "secret".to_owned().into(),
        cluster_name: cluster_name.map(str::to_owned),
        ..Settings::of_seeds(seeds)
    }
}

fn server(number: u64) -> Server {
    Server {
        id: Some(number),
        zone: Some(format!("z'\"\n{number}")),
        start_service_time: Some(
            SystemTime::UNIX_EPOCH + Duration::from_micros(1_721_671_299_000_001),
        ),
        with_rootserver: Some(number == 1),
        ..Server::alone(format!("10.0.0.{number}:2881").parse().unwrap())
    }
}

fn snapshot(numbers: &[u64]) -> Snapshot {
    let servers: Vec<Server> = numbers.iter().map(|&number| server(number)).collect();
    Snapshot {
        told_by: servers[0].addr,
        servers,
        listed: true,
        unusable: Vec::new(),
        cluster_name: Some("prod1".into()),
        read_at: SystemTime::now(),
    }
}

fn cached(numbers: &[u64]) -> CachedTopology {
    CachedTopology::of(&snapshot(numbers), &settings(&["10.0.0.1:2881"], None))
}

#[test]
fn what_is_written_is_what_is_read() {
    let cached = cached(&[1, 2, 3]);
    let text = toml::to_string(&cached).unwrap();
    let read = CachedTopology::parse(&text, &settings(&["10.0.0.1:2881"], None));
    assert_eq!(read, Ok(cached));
    assert!(!text.contains("secret"));
}

#[test]
fn a_file_of_another_cluster_is_of_no_use() {
    let text = toml::to_string(&cached(&[1, 2])).unwrap();
    let refused = |seed, name| CachedTopology::parse(&text, &settings(&[seed], name)).err();
    assert_eq!(refused("10.0.0.1:2881", None), None);
    assert_eq!(
        refused("10.0.0.2:2881", Some("prod1")),
        None,
        "a seed that it lists"
    );
    let why = refused("10.0.0.1:2881", Some("prod2")).unwrap();
    assert!(why.contains("'prod1'") && why.contains("'prod2'"), "{why}");
    let why = refused("10.9.9.9:2881", Some("prod1")).unwrap();
    assert!(why.contains("10.9.9.9:2881"), "{why}");
}

#[test]
fn a_broken_file_is_of_no_use_wherever_it_breaks() {
    let text = toml::to_string(&cached(&[1, 2])).unwrap();
    let settings = settings(&["10.0.0.1:2881"], None);
    let whole = CachedTopology::parse(&text, &settings).unwrap();
    for cut in 0..text.len() {
        if let Some(cut) = text.get(..cut)
            && let Ok(read) = CachedTopology::parse(cut, &settings)
        {
            assert!(
                whole
                    .servers
                    .starts_with(&read.servers[..read.servers.len().saturating_sub(1)])
            );
        }
    }
    for broken in ["", "servers = 7", "\u{0}", "[[servers]]\naddr = 'nowhere'"] {
        assert!(
            CachedTopology::parse(broken, &settings).is_err(),
            "{broken}"
        );
    }
}

#[test]
fn a_server_that_the_file_alone_knows_must_agree_with_it() {
    let cached = cached(&[1, 2, 3]);
    for (told, name, agrees) in [
        (snapshot(&[2, 3]), Some("prod1"), true),
        (snapshot(&[2, 1, 4]), None, true),
        (snapshot(&[2, 4, 5]), Some("prod1"), false),
        (snapshot(&[2, 3]), Some("prod2"), false),
        (snapshot(&[2]), Some("prod1"), true),
    ] {
        assert_eq!(
            cached.agrees_with(&told, name).is_ok(),
            agrees,
            "{told:?} {name:?}"
        );
    }
    let mut renumbered = snapshot(&[2, 3]);
    renumbered.servers[1].id = Some(9);
    assert!(
        cached.agrees_with(&renumbered, None).is_err(),
        "another server at that address"
    );
}

#[test]
fn only_a_change_or_an_hour_makes_it_worth_writing() {
    let old = cached(&[1, 2]);
    let aged = |seconds| CachedTopology {
        read_at: old.read_at + Duration::from_secs(seconds),
        ..old.clone()
    };
    assert!(old.is_as_good_as(&aged(0)) && old.is_as_good_as(&aged(3599)));
    assert!(!old.is_as_good_as(&aged(3600)));
    assert!(!old.is_as_good_as(&cached(&[1, 2, 3])));
}

#[test]
fn writing_leaves_a_whole_file_and_nothing_beside_it() {
    let name = format!("obwarden-cache-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("topology.toml");
    for topology in [cached(&[1]), cached(&[1, 2])] {
        topology.write(&file).unwrap();
        let configured = Settings {
            topology_cache: Some(file.clone()),
            ..settings(&["10.0.0.1:2881"], None)
        };
        assert_eq!(CachedTopology::read(&configured), Some(topology));
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    let nowhere = directory.join("missing").join("topology.toml");
    assert!(cached(&[1]).write(&nowhere).is_err());
    let configured = Settings {
        topology_cache: Some(directory.clone()),
        ..settings(&["10.0.0.1:2881"], None)
    };
    assert_eq!(CachedTopology::read(&configured), None, "a directory");
    fs::remove_dir_all(&directory).unwrap();
}
