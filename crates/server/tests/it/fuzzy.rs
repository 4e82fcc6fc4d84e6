//! Finding files by a few letters of their names.

use std::path::Path;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

fn make(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, "").expect("written");
    }
}

fn found(answer: &Value) -> Vec<&str> {
    let files = answer["files"].as_array().expect("files");
    let paths = files.iter().map(|file| file["path"].as_str());
    paths.map(|path| path.expect("a path")).collect()
}

async fn start(client: &mut TestClient, id: &str, roots: Value) {
    let params = json!({"sessionId": id, "roots": roots});
    let answer = client.request("fuzzyFileSearch/sessionStart", params).await;
    assert_eq!(answer.expect("started"), json!({}));
    let completed = client.note("fuzzyFileSearch/sessionCompleted").await;
    assert_eq!(completed, json!({ "sessionId": id }));
}

async fn update(client: &mut TestClient, id: &str, query: &str) {
    let params = json!({"sessionId": id, "query": query});
    let answer = client
        .request("fuzzyFileSearch/sessionUpdate", params)
        .await;
    assert_eq!(answer.expect("updated"), json!({}));
}

/// What a session has found when it has looked everywhere for a query.
async fn completed(client: &mut TestClient, query: &str) -> Value {
    let mut last = Value::Null;
    loop {
        let note = client.next_note().await;
        match note["method"].as_str().expect("a method") {
            "fuzzyFileSearch/sessionUpdated" => last = note["params"].clone(),
            "fuzzyFileSearch/sessionCompleted" if last["query"] == query => return last,
            _ => {}
        }
    }
}

#[tokio::test]
async fn files_are_found_best_first_in_the_reference_s_form() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let work = server.work();
    make(&work, &["src/main.rs", "main/x", "README.md"]);
    let answer = client
        .request("fuzzyFileSearch", json!({"query": "main", "roots": [work]}))
        .await
        .expect("found");
    // As 0.169.0 answers it.
    assert_eq!(
        answer,
        json!({"files": [
            {
                "root": work, "path": "main", "match_type": "directory", "file_name": "main",
                "score": 131_181, "indices": [0, 1, 2, 3],
            },
            {
                "root": work, "path": "src/main.rs", "match_type": "file",
                "file_name": "main.rs", "score": 65645, "indices": [4, 5, 6, 7],
            },
            {
                "root": work, "path": "main/x", "match_type": "file", "file_name": "x",
                "score": 109, "indices": [0, 1, 2, 3],
            },
        ]})
    );
    // A relative folder is below the server's own, and is called what it was called.
    let params = json!({"query": "x", "roots": ["main", "none", ""], "cancellationToken": null});
    let answer = client.request("fuzzyFileSearch", params).await;
    let answer = answer.expect("found");
    assert_eq!(found(&answer), ["x"]);
    assert_eq!(answer["files"][0]["root"], "main");
    for params in [
        json!({"query": "", "roots": [work]}),
        json!({"query": "x", "roots": []}),
        json!({"query": "x", "roots": [work.join("README.md")]}),
    ] {
        let answer = client.request("fuzzyFileSearch", params).await;
        assert_eq!(answer.expect("nothing"), json!({"files": []}));
    }
}

#[tokio::test]
async fn bad_params_are_named() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let missing = |name: &str| format!("Invalid request: missing field `{name}`");
    let no_text = "Invalid request: invalid type: integer `5`, expected a string".to_owned();
    let no_list = "Invalid request: invalid type: string \"x\", expected a sequence".to_owned();
    let long = "x".repeat(4097);
    let many: Vec<String> = (0..257).map(|number| format!("/{number}")).collect();
    let (one, start, update, stop) = (
        "fuzzyFileSearch",
        "fuzzyFileSearch/sessionStart",
        "fuzzyFileSearch/sessionUpdate",
        "fuzzyFileSearch/sessionStop",
    );
    let too_long = || "query must not be longer than 4096 bytes".to_owned();
    let too_many = || "roots must not be more than 256".to_owned();
    let not_found = |id: &str| format!("fuzzy file search session not found: {id}");
    let params = json!({"sessionId": "there", "roots": [server.work()]});
    client.request(start, params).await.expect("started");
    for (method, params, code, text) in [
        (one, json!({"roots": []}), -32600, missing("query")),
        (one, json!({"query": "x"}), -32600, missing("roots")),
        (
            one,
            json!({"query": 5, "roots": []}),
            -32600,
            no_text.clone(),
        ),
        (
            one,
            json!({"query": "x", "roots": "x"}),
            -32600,
            no_list.clone(),
        ),
        (
            one,
            json!({"query": "x", "roots": [5]}),
            -32600,
            no_text.clone(),
        ),
        (
            one,
            json!({"query": "x", "roots": [], "cancellationToken": 5}),
            -32600,
            no_text.clone(),
        ),
        (one, json!({"query": long, "roots": []}), -32602, too_long()),
        (
            one,
            json!({"query": "x", "roots": many}),
            -32602,
            too_many(),
        ),
        (start, json!({"roots": []}), -32600, missing("sessionId")),
        (start, json!({"sessionId": "s"}), -32600, missing("roots")),
        (
            start,
            json!({"sessionId": 5, "roots": []}),
            -32600,
            no_text.clone(),
        ),
        (
            start,
            json!({"sessionId": "s", "roots": "x"}),
            -32600,
            no_list,
        ),
        (
            start,
            json!({"sessionId": "", "roots": []}),
            -32600,
            "sessionId must not be empty".to_owned(),
        ),
        (
            start,
            json!({"sessionId": "s", "roots": []}),
            -32603,
            "failed to start fuzzy file search session: at least one search directory is required"
                .to_owned(),
        ),
        (
            start,
            json!({"sessionId": "s", "roots": many}),
            -32602,
            too_many(),
        ),
        (update, json!({"query": "x"}), -32600, missing("sessionId")),
        (update, json!({"sessionId": "s"}), -32600, missing("query")),
        (
            update,
            json!({"sessionId": 5, "query": "x"}),
            -32600,
            no_text.clone(),
        ),
        (
            update,
            json!({"sessionId": "there", "query": 5}),
            -32600,
            no_text.clone(),
        ),
        (
            update,
            json!({"sessionId": "", "query": "x"}),
            -32600,
            not_found(""),
        ),
        (
            update,
            json!({"sessionId": "s", "query": "x"}),
            -32600,
            not_found("s"),
        ),
        (
            update,
            json!({"sessionId": "there", "query": long}),
            -32602,
            too_long(),
        ),
        (stop, json!({}), -32600, missing("sessionId")),
        (stop, json!({"sessionId": 5}), -32600, no_text),
    ] {
        let refusal = client.refusal(method, params.clone()).await;
        assert_eq!(refusal, (code, text), "{method} {params}");
    }
    let answer = client.request(stop, json!({"sessionId": "none"})).await;
    assert_eq!(answer.expect("always"), json!({}));
}

#[tokio::test]
async fn a_session_answers_each_query_from_one_walk() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let mut other = server.client().await;
    let work = server.work();
    make(&work, &["a/one", "a/two", "b/one"]);
    start(&mut client, "s", json!([work.join("a"), work.join("b")])).await;
    update(&mut client, "s", "one").await;
    let all = completed(&mut client, "one").await;
    assert_eq!(all["sessionId"], "s");
    assert_eq!(found(&all), ["one", "one"]);
    assert_eq!(completed(&mut other, "one").await, all, "everybody is told");
    // Files that come later are not seen, and those that go are.
    make(&work, &["a/one_more"]);
    std::fs::remove_file(work.join("a/two")).expect("removed");
    for (query, expected) in [
        ("two", vec!["two"]),
        ("one", vec!["one", "one"]),
        ("one", vec!["one", "one"]),
        ("", vec![]),
        ("zzz", vec![]),
    ] {
        // Anybody may change the query.
        update(&mut other, "s", query).await;
        assert_eq!(found(&completed(&mut client, query).await), expected);
    }
    // Whoever types faster than it is looked for gets the newest.
    let mut ids = Vec::new();
    for query in ["o", "on", "one", "t", "tw", "two"] {
        let params = json!({"sessionId": "s", "query": query});
        ids.push(client.send("fuzzyFileSearch/sessionUpdate", params).await);
    }
    for id in ids {
        client.answer(id).await.expect("updated");
    }
    assert_eq!(found(&completed(&mut client, "two").await), ["two"]);
    // The same id again: another session, which has seen the new file.
    start(&mut client, "s", json!([work.join("a")])).await;
    update(&mut client, "s", "more").await;
    assert_eq!(found(&completed(&mut client, "more").await), ["one_more"]);
    client
        .request("fuzzyFileSearch/sessionStop", json!({"sessionId": "s"}))
        .await
        .expect("stopped");
    let params = json!({"sessionId": "s", "query": "x"});
    assert_eq!(
        client
            .refusal("fuzzyFileSearch/sessionUpdate", params)
            .await,
        (-32600, "fuzzy file search session not found: s".to_owned())
    );
}

#[tokio::test]
async fn sessions_are_limited_and_end_with_their_connection() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let work = server.work();
    make(&work, &["one"]);
    let start = |number: usize| json!({"sessionId": format!("s{number}"), "roots": [work]});
    let method = "fuzzyFileSearch/sessionStart";
    for number in 0..64 {
        client.request(method, start(number)).await.expect("room");
    }
    let text = "failed to start fuzzy file search session: too many sessions: \
                limit is 64 per connection";
    assert_eq!(
        client.refusal(method, start(64)).await,
        (-32600, text.to_owned())
    );
    client
        .request(method, start(7))
        .await
        .expect("one in the place of another");
    let mut other = server.client().await;
    other.request(method, start(64)).await.expect("its own");
    client.close().await;
    let update = json!({"sessionId": "s7", "query": "x"});
    let gone = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while other
            .request("fuzzyFileSearch/sessionUpdate", update.clone())
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("they end with their connection");
    self::update(&mut other, "s64", "one").await;
    assert_eq!(found(&completed(&mut other, "one").await), ["one"]);
}

#[tokio::test]
async fn a_search_takes_the_place_of_an_earlier_one_and_all_are_answered() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let work = server.work();
    let names: Vec<String> = (0..2000)
        .map(|number| format!("{}/file{number}", number % 50))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    make(&work, &names);
    let mut ids = Vec::new();
    for _ in 0..40 {
        let params = json!({"query": "file", "roots": [work], "cancellationToken": "t"});
        ids.push(client.send("fuzzyFileSearch", params).await);
    }
    let last = ids.pop().expect("forty");
    for id in ids {
        let answer = client.answer(id).await.expect("with what it had");
        assert!(found(&answer).len() <= 50);
    }
    let answer = client.answer(last).await.expect("found");
    assert_eq!(found(&answer).len(), 50);
    // Those without a token do not disturb each other.
    let mut ids = Vec::new();
    for _ in 0..10 {
        let params = json!({"query": "file", "roots": [work]});
        ids.push(client.send("fuzzyFileSearch", params).await);
    }
    for id in ids {
        let answer = client.answer(id).await.expect("found");
        assert_eq!(found(&answer).len(), 50);
    }
}
