//! Reading and changing files of the machine.

use std::os::unix::fs::symlink;
use std::path::Path;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

async fn ok(client: &mut TestClient, method: &str, params: Value) -> Value {
    let answer = client.request(method, params.clone()).await;
    answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
}

async fn read(client: &mut TestClient, path: &Path) -> String {
    let answer = ok(client, "fs/readFile", json!({ "path": path })).await;
    answer["dataBase64"].as_str().expect("a text").to_owned()
}

/// The names in a folder, sorted, with what they are.
async fn listed(client: &mut TestClient, path: &Path) -> Vec<(String, bool, bool)> {
    let answer = ok(client, "fs/readDirectory", json!({ "path": path })).await;
    let entries = answer["entries"].as_array().expect("entries");
    let mut entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            let flag = |name: &str| entry[name].as_bool().expect("a flag");
            let name = entry["fileName"].as_str().expect("a name");
            (name.to_owned(), flag("isDirectory"), flag("isFile"))
        })
        .collect();
    entries.sort();
    entries
}

#[tokio::test]
async fn files_are_written_read_copied_and_removed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let work = server.work();
    let path = |name: &str| work.join(name);

    let write = json!({"path": path("a"), "dataBase64": "aGVsbG8="});
    assert_eq!(ok(&mut client, "fs/writeFile", write).await, json!({}));
    assert_eq!(read(&mut client, &path("a")).await, "aGVsbG8=");
    // A path is taken by its text: the folder before `..` need not be there.
    assert_eq!(read(&mut client, &path("no/../a/")).await, "aGVsbG8=");
    let shorter = json!({"path": path("a"), "dataBase64": "aA=="});
    ok(&mut client, "fs/writeFile", shorter).await;
    assert_eq!(read(&mut client, &path("a")).await, "aA==");

    ok(
        &mut client,
        "fs/createDirectory",
        json!({"path": path("d/e")}),
    )
    .await;
    ok(
        &mut client,
        "fs/createDirectory",
        json!({"path": path("d/e"), "recursive": null}),
    )
    .await;
    let copy = json!({"sourcePath": path("a"), "destinationPath": path("d/e/b")});
    ok(&mut client, "fs/copy", copy).await;
    let itself = json!({"sourcePath": path("a"), "destinationPath": path("a")});
    ok(&mut client, "fs/copy", itself).await;
    assert_eq!(read(&mut client, &path("a")).await, "aA==");
    let tree = json!({
        "sourcePath": path("d"), "destinationPath": path("x/y"), "recursive": true,
    });
    ok(&mut client, "fs/copy", tree.clone()).await;
    ok(&mut client, "fs/copy", tree).await;
    assert_eq!(read(&mut client, &path("x/y/e/b")).await, "aA==");

    symlink("a", path("link")).expect("a link");
    symlink("nowhere", path("dangling")).expect("a link");
    symlink("d", path("folder link")).expect("a link");
    let entry = |name: &str, is_directory: bool| (name.to_owned(), is_directory, !is_directory);
    assert_eq!(
        listed(&mut client, &work).await,
        [
            entry("a", false),
            entry("d", true),
            entry("folder link", true),
            entry("link", false),
            entry("x", true),
        ],
        "links are what they lead to, and those that lead nowhere are left out"
    );
    let known = ok(&mut client, "fs/getMetadata", json!({"path": path("link")})).await;
    assert_eq!(known["isSymlink"], true);
    assert_eq!(known["isFile"], true);
    assert_eq!(known["isDirectory"], false);
    assert!(known["modifiedAtMs"].as_i64().expect("a time") > 1_500_000_000_000);

    ok(
        &mut client,
        "fs/remove",
        json!({"path": path("folder link")}),
    )
    .await;
    assert!(path("d/e/b").exists(), "what a link leads to stays");
    ok(&mut client, "fs/remove", json!({"path": path("d")})).await;
    assert!(!path("d").exists());
    ok(
        &mut client,
        "fs/remove",
        json!({"path": path("d"), "force": null}),
    )
    .await;
    ok(
        &mut client,
        "fs/remove",
        json!({"path": path("a"), "recursive": false}),
    )
    .await;
    assert!(!path("a").exists());
}

/// Code and text of what the reference says, seen on 0.169.0.
#[tokio::test]
async fn what_cannot_be_done_is_refused_as_by_the_reference() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let work = server.work();
    let path = |name: &str| work.join(name).display().to_string();
    std::fs::create_dir_all(work.join("d/e")).expect("made");
    std::fs::write(work.join("f"), "text").expect("written");
    symlink("d", work.join("ld")).expect("a link");
    let missing = "No such file or directory (os error 2)";
    let exists = "File exists (os error 17)";
    let no_folder = "Not a directory (os error 20)";
    let nul = "file name contained an unexpected NUL byte";
    let into_itself = "fs/copy cannot copy a directory to itself or one of its descendants";
    let other_kind = "fs/copy only supports regular files, directories, and symlinks";
    let not_recursive = "fs/copy requires recursive: true when sourcePath is a directory";
    let at = |name: &str| json!({ "path": path(name) });
    let write = |name: &str, data: &str| json!({"path": path(name), "dataBase64": data});
    let copy = |from: &str, to: &str| json!({"sourcePath": path(from), "destinationPath": path(to), "recursive": true});
    let with = |mut params: Value, name: &str, value: Value| {
        params[name] = value;
        params
    };
    let not_a_file = format!("path `{}` is not a file", path("d"));
    for (method, params, code, text) in [
        ("fs/readFile", at("no"), -32603, missing),
        ("fs/readFile", at("f/x"), -32603, no_folder),
        ("fs/readFile", at("d"), -32600, &not_a_file),
        (
            "fs/readFile",
            json!({"path": "/dev/null"}),
            -32600,
            "path `/dev/null` is not a file",
        ),
        ("fs/readFile", at("a\0b"), -32600, nul),
        ("fs/writeFile", write("no/x", ""), -32603, missing),
        (
            "fs/writeFile",
            write("d", ""),
            -32603,
            "Is a directory (os error 21)",
        ),
        ("fs/writeFile", write("a\0b", ""), -32600, nul),
        ("fs/createDirectory", at("f"), -32603, exists),
        (
            "fs/createDirectory",
            with(at("d"), "recursive", json!(false)),
            -32603,
            exists,
        ),
        (
            "fs/createDirectory",
            with(at("n/m"), "recursive", json!(false)),
            -32603,
            missing,
        ),
        ("fs/createDirectory", at("a\0b"), -32600, nul),
        ("fs/getMetadata", at("no"), -32603, missing),
        ("fs/getMetadata", at("a\0b"), -32600, nul),
        ("fs/readDirectory", at("f"), -32603, no_folder),
        ("fs/readDirectory", at("no"), -32603, missing),
        ("fs/readDirectory", at("a\0b"), -32600, nul),
        (
            "fs/remove",
            with(at("no"), "force", json!(false)),
            -32603,
            missing,
        ),
        ("fs/remove", at("f/x"), -32603, no_folder),
        (
            "fs/remove",
            with(at("d"), "recursive", json!(false)),
            -32603,
            "Directory not empty (os error 39)",
        ),
        ("fs/remove", at("a\0b"), -32600, nul),
        (
            "fs/copy",
            with(copy("d", "x"), "recursive", json!(false)),
            -32600,
            not_recursive,
        ),
        (
            "fs/copy",
            with(copy("d", "x"), "recursive", json!(null)),
            -32600,
            not_recursive,
        ),
        ("fs/copy", copy("d", "d"), -32600, into_itself),
        ("fs/copy", copy("d", "d/e/x"), -32600, into_itself),
        ("fs/copy", copy("d", "ld/x/y"), -32600, into_itself),
        ("fs/copy", copy("d", "f"), -32603, exists),
        ("fs/copy", copy("ld", "f"), -32603, exists),
        (
            "fs/copy",
            copy("f", "d"),
            -32603,
            "Is a directory (os error 21)",
        ),
        ("fs/copy", copy("f", "no/x"), -32603, missing),
        ("fs/copy", copy("no", "x"), -32603, missing),
        ("fs/copy", copy("f", "a\0b"), -32600, nul),
        (
            "fs/copy",
            with(copy("f", "x"), "sourcePath", json!("/dev/null")),
            -32600,
            other_kind,
        ),
    ] {
        let refusal = client.refusal(method, params.clone()).await;
        assert_eq!(refusal, (code, text.to_owned()), "{method} {params}");
    }
    let base64 = "fs/writeFile requires valid base64 dataBase64: ";
    for (data, why) in [
        ("!!", "Invalid symbol 33, offset 0."),
        ("aGk", "Invalid padding"),
        ("aGk=\n", "Invalid symbol 10, offset 4."),
        ("a-_=", "Invalid symbol 45, offset 1."),
        ("aGl=", "Invalid last symbol 108, offset 2."),
        ("a", "Invalid input length: 1"),
    ] {
        let refusal = client.refusal("fs/writeFile", write("f", data)).await;
        assert_eq!(refusal, (-32600, format!("{base64}{why}")));
    }
    let text = std::fs::read_to_string(work.join("f")).expect("read");
    assert_eq!(text, "text", "what was refused has changed nothing");
    assert!(!work.join("x").exists());
}

#[tokio::test]
async fn members_that_are_missing_or_of_another_kind_are_named() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let path = server.work().join("f").display().to_string();
    let relative = "Invalid request: AbsolutePathBuf deserialized without a base path";
    let no_path = "Invalid request: invalid type: integer `5`, expected path string";
    let no_text = "Invalid request: invalid type: integer `5`, expected a string";
    let no_flag = "Invalid request: invalid type: integer `5`, expected a boolean";
    let paths = |method: &str| match method {
        "fs/copy" => vec!["sourcePath", "destinationPath"],
        _ => vec!["path"],
    };
    for (method, more) in [
        ("fs/readFile", json!({})),
        ("fs/writeFile", json!({"dataBase64": "aA=="})),
        ("fs/createDirectory", json!({"recursive": true})),
        ("fs/getMetadata", json!({})),
        ("fs/readDirectory", json!({})),
        ("fs/remove", json!({"recursive": true, "force": true})),
        ("fs/copy", json!({"recursive": true})),
        ("fs/watch", json!({"watchId": "w"})),
        ("fs/unwatch", json!({"watchId": "w"})),
    ] {
        let mut good = more.clone();
        let paths = if method == "fs/unwatch" {
            vec![]
        } else {
            paths(method)
        };
        for name in &paths {
            good[*name] = json!(path);
        }
        let mut refused = async |params: Value| {
            let (code, text) = client.refusal(method, params).await;
            assert_eq!(code, -32600, "{method}: {text}");
            text
        };
        let changed = |name: &str, value: Value| {
            let mut params = good.clone();
            params[name] = value;
            params
        };
        for name in &paths {
            let mut without = good.clone();
            without.as_object_mut().expect("params").remove(*name);
            let text = refused(without).await;
            assert_eq!(text, format!("Invalid request: missing field `{name}`"));
            for bad in ["", "rel", "~/x", "./x", "file:///x"] {
                assert_eq!(refused(changed(name, json!(bad))).await, relative);
            }
            assert_eq!(refused(changed(name, json!(5))).await, no_path);
        }
        for (name, value) in more.as_object().expect("params") {
            let wanted = if value.is_boolean() { no_flag } else { no_text };
            assert_eq!(refused(changed(name, json!(5))).await, wanted, "{method}");
        }
    }
    assert!(!server.work().join("f").exists());
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_and_the_largest_is_not() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let path = server.work().join("large");
    let limit = 47 * 1024 * 1024;
    let file = std::fs::File::create(&path).expect("made");
    file.set_len(limit + 1).expect("a length");
    let (code, text) = client.refusal("fs/readFile", json!({ "path": path })).await;
    let expected = format!("file is too large to read: limit is {limit} bytes");
    assert_eq!((code, text), (-32600, expected));
    file.set_len(limit).expect("a length");
    // Several at a time wait for each other instead of filling the memory.
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.send("fs/readFile", json!({ "path": path })).await);
    }
    for id in ids {
        let answer = client.answer(id).await.expect("read");
        let text = answer["dataBase64"].as_str().expect("a text");
        assert_eq!(text.len() as u64, limit.div_ceil(3) * 4);
    }
}

#[tokio::test]
async fn files_that_never_end_hold_nobody_up() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let pipe = server.work().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let text = format!("path `{}` is not a file", pipe.display());
    for (method, params) in [
        ("fs/readFile", json!({ "path": pipe })),
        ("fs/writeFile", json!({"path": pipe, "dataBase64": "aA=="})),
        (
            "fs/copy",
            json!({"sourcePath": server.home().join("config.toml"), "destinationPath": pipe}),
        ),
    ] {
        let refusal = client.refusal(method, params).await;
        assert_eq!(refusal, (-32600, text.clone()));
    }
}
