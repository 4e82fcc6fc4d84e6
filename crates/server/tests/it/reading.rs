//! Lists and pages.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_thread_is_listed_once_it_has_a_user_message() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"], json!([]));
    client.run_turn(&thread, "what a prompt").await;
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"][0]["id"], thread);
    assert_eq!(list["data"][0]["preview"], "what a prompt");
    assert_eq!(list["data"][0]["status"]["type"], "idle");
    let none = client
        .request("thread/list", json!({"modelProviders": ["other"]}))
        .await
        .expect("a list");
    assert_eq!(none["data"], json!([]));
    let error = client
        .request("thread/list", json!({"cursor": "zz"}))
        .await
        .expect_err("a bad cursor");
    assert_eq!(error["message"], "invalid cursor: zz");
}

#[tokio::test]
async fn turns_and_items_are_paged_back_from_the_cursors_of_a_resume() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    for n in 0..3 {
        let script = format!("q{n}\n@@ [{{\"say\":\"a{n}\"}}]");
        client.run_turn(&thread, &script).await;
    }
    let resumed = client
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    assert_eq!(resumed["thread"]["turns"], json!([]));

    let mut cursor = resumed["turnsBackwardsCursor"].clone();
    let mut answers = Vec::new();
    while !cursor.is_null() {
        let params = json!({
            "threadId": thread, "cursor": cursor, "limit": 2, "sortDirection": "desc",
        });
        let page = client
            .request("thread/turns/list", params)
            .await
            .expect("a page");
        for turn in page["data"].as_array().expect("turns") {
            answers.push(turn["items"][1]["text"].clone());
        }
        cursor = page["nextCursor"].clone();
    }
    assert_eq!(json!(answers), json!(["a2", "a1", "a0"]));

    let params = json!({
        "threadId": thread, "cursor": resumed["itemsBackwardsCursor"], "sortDirection": "desc",
    });
    let page = client
        .request("thread/items/list", params)
        .await
        .expect("a page");
    let kinds: Vec<&Value> = page["data"]
        .as_array()
        .expect("items")
        .iter()
        .map(|entry| &entry["item"]["type"])
        .collect();
    assert_eq!(kinds.len(), 6);
    assert_eq!(kinds[0], "agentMessage");
    let error = client
        .request(
            "thread/turns/list",
            json!({"threadId": thread, "cursor": "zz"}),
        )
        .await
        .expect_err("a bad cursor");
    assert_eq!(error["message"], "invalid cursor: zz");
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_told_apart() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let unknown = "01900000-0000-7000-8000-000000000000";
    for (method, id, expected) in [
        (
            "thread/read",
            unknown,
            format!("thread not loaded: {unknown}"),
        ),
        (
            "thread/resume",
            unknown,
            format!("no rollout found for thread id {unknown}"),
        ),
        (
            "thread/read",
            "zz",
            "invalid thread id: invalid character: expected an optional prefix of `urn:uuid:` \
             followed by [0-9a-fA-F-], found `z` at 1"
                .to_owned(),
        ),
        (
            "thread/resume",
            "zz",
            "invalid session id: invalid character: expected an optional prefix of `urn:uuid:` \
             followed by [0-9a-fA-F-], found `z` at 1"
                .to_owned(),
        ),
    ] {
        let error = client
            .request(method, json!({"threadId": id}))
            .await
            .expect_err("refused");
        assert_eq!(error["message"], expected, "{method}");
    }
}

/// A thread with a command and three messages of the model's.
async fn talk(server: &TestServer, client: &mut loomd_testkit::TestClient) -> String {
    let thread = client.start_thread(&server.work()).await;
    for text in [
        "find the needle\n@@ [{\"exec\":\"echo hi\"},{\"say\":\"A NEEDLE, no needles\"}]",
        "two\n@@ [{\"say\":\"ünïcode\"}]",
    ] {
        client.run_turn(&thread, text).await;
    }
    thread
}

#[tokio::test]
async fn items_are_read_by_their_ids_and_listed_from_a_known_one() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = talk(&server, &mut client).await;
    let list = client
        .request("thread/items/list", json!({"threadId": thread}))
        .await
        .expect("items");
    let ids: Vec<&str> = list["data"]
        .as_array()
        .expect("items")
        .iter()
        .map(|entry| entry["item"]["id"].as_str().expect("an id"))
        .collect();
    let turn = &list["data"][0]["turnId"];
    let read = client
        .request(
            "thread/items/read",
            json!({"threadId": thread, "turnId": turn, "itemIds": [ids[2], ids[0], "zz", ids[3]]}),
        )
        .await
        .expect("read");
    // In the order of the turn, and of that turn only.
    let found: Vec<&Value> = read["data"]
        .as_array()
        .expect("items")
        .iter()
        .map(|entry| &entry["item"]["id"])
        .collect();
    assert_eq!(found, [ids[0], ids[2]]);

    let from = |more: Value| {
        let mut params = json!({
            "threadId": thread,
            "cursor": {"type": "item", "itemId": ids[1]},
        });
        let members = more.as_object().expect("members").clone();
        params.as_object_mut().expect("members").extend(members);
        params
    };
    let after = client
        .request("thread/items/list", from(json!({"turnId": turn})))
        .await
        .expect("items");
    assert_eq!(after["data"][0]["item"]["id"], ids[2]);
    let before = client
        .request(
            "thread/items/list",
            from(json!({"turnId": turn, "sortDirection": "desc"})),
        )
        .await
        .expect("items");
    assert_eq!(before["data"][0]["item"]["id"], ids[0]);
    let deferred = json!({"threadId": thread, "turnId": turn,
                          "deferOutput": {"commandExecution": true}});
    let deferred = client
        .request("thread/items/list", deferred)
        .await
        .expect("items");
    assert_eq!(deferred["data"][1]["outputDeferred"], true);
    assert_eq!(deferred["data"][1]["item"]["aggregatedOutput"], Value::Null);

    for (method, params, code, message) in [
        (
            "thread/items/list",
            from(json!({})),
            -32602,
            "turnId is required when cursor is an item anchor",
        ),
        (
            "thread/items/list",
            json!({"threadId": thread, "turnId": turn, "cursor": {"type": "item", "itemId": "zz"}}),
            -32602,
            "cursor.itemId does not identify an item in the requested history scope",
        ),
        (
            "thread/items/read",
            json!({"threadId": thread, "turnId": turn, "itemIds": []}),
            -32600,
            "itemIds must contain 1 to 100 IDs",
        ),
        (
            "thread/items/read",
            json!({"threadId": "01990000-0000-7000-8000-00000000dead", "turnId": "x",
                   "itemIds": ["x"]}),
            -32601,
            "thread/items/read is not supported yet",
        ),
    ] {
        let refusal = client.refusal(method, params).await;
        assert_eq!(refusal, (code, message.to_owned()));
    }
}

#[tokio::test]
async fn the_timeline_is_paged_back_from_the_newest_turn() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = talk(&server, &mut client).await;
    server.server.shutdown().await;
    server.restart();
    let mut client = server.client().await;
    let mut kinds = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = client
            .request(
                "thread/timeline/list",
                json!({"threadId": thread, "limit": 3, "cursor": cursor}),
            )
            .await
            .expect("a page");
        let page_kinds: Vec<(u64, String)> = page["data"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| {
                let position = entry["position"].as_u64().expect("a position");
                let what = entry["item"]["type"].as_str().or(entry["type"].as_str());
                (position, what.expect("a type").to_owned())
            })
            .collect();
        kinds.splice(0..0, page_kinds);
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let expected = [
        "turnStarted",
        "userMessage",
        "commandExecution",
        "agentMessage",
        "turnCompleted",
        "turnStarted",
        "userMessage",
        "agentMessage",
        "turnCompleted",
    ];
    let expected: Vec<(u64, String)> = (0..).zip(expected.map(str::to_owned)).collect();
    assert_eq!(kinds, expected);
    let error = client
        .request(
            "thread/timeline/list",
            json!({"threadId": thread, "cursor": "zz"}),
        )
        .await
        .expect_err("a bad cursor");
    assert_eq!(error["message"], "invalid thread timeline cursor");
}

#[tokio::test]
async fn a_search_finds_messages_of_stored_and_loaded_threads_and_nothing_else() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let stored = talk(&server, &mut client).await;
    let other = client.start_thread(&server.work()).await;
    client.run_turn(&other, "nothing here").await;
    server.server.shutdown().await;
    server.restart();
    let mut client = server.client().await;
    let loaded = client.start_thread(&server.work()).await;
    client.run_turn(&loaded, "a needle again").await;
    let turn = client.run_turn(&loaded, "a second needle").await;
    let turn = &turn.last().expect("a note")["params"]["turn"]["id"];

    let found = |answer: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        answer["data"]
            .as_array()
            .expect("results")
            .iter()
            .map(|found| (text(&found["thread"]["id"]), text(&found["snippet"])))
            .collect()
    };
    let mut search = async |params: Value| client.request("thread/search", params).await;
    let all = search(json!({"searchTerm": "Needle"}))
        .await
        .expect("found");
    let (newer, older) = (found(&all)[0].clone(), found(&all)[1].clone());
    assert_eq!(found(&all).len(), 2);
    assert_eq!(
        (newer.0.as_str(), newer.1.as_str()),
        (&*loaded, "a needle again")
    );
    assert_eq!(older.0, stored);
    assert_eq!(all["data"][1]["thread"]["status"]["type"], "notLoaded");
    let first = search(json!({"searchTerm": "needle", "limit": 1}))
        .await
        .expect("found");
    assert_eq!(found(&first), [newer]);
    let rest = json!({"searchTerm": "needle", "limit": 5, "cursor": first["nextCursor"]});
    let rest = search(rest).await.expect("found");
    assert_eq!(found(&rest), [older]);
    assert_eq!(rest["nextCursor"], Value::Null);
    let unicode = search(json!({"searchTerm": "ÜNÏ"})).await.expect("found");
    assert_eq!(found(&unicode).len(), 1);
    // What a command printed, and what the model is told of the machine, is no message.
    let none = search(json!({"searchTerm": "environment_context"}))
        .await
        .expect("found");
    assert_eq!(found(&none), []);
    let error = search(json!({"searchTerm": " "})).await.expect_err("blank");
    assert_eq!(
        error["message"],
        "thread/search requires a non-empty searchTerm"
    );

    // What was taken back is not found any more.
    client
        .request(
            "thread/revert",
            json!({"threadId": loaded, "beforeTurnId": turn}),
        )
        .await
        .expect("reverted");
    let gone = client
        .request("thread/search", json!({"searchTerm": "second needle"}))
        .await
        .expect("found");
    assert_eq!(gone["data"], json!([]));
}

#[tokio::test]
async fn occurrences_say_where_in_their_thread_they_are() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = talk(&server, &mut client).await;
    let params = |cursor: &Value| json!({"threadId": thread, "searchTerm": "needle", "limit": 2, "cursor": cursor});
    let first = client
        .request("thread/searchOccurrences", params(&Value::Null))
        .await
        .expect("found");
    let data = &first["data"];
    assert_eq!(data[0]["snippetMatchRange"], json!({"start": 9, "end": 15}));
    let turns = client
        .request(
            "thread/turns/list",
            json!({"threadId": thread, "cursor": data[0]["turnCursor"], "sortDirection": "asc"}),
        )
        .await
        .expect("turns");
    assert_eq!(turns["data"][0]["id"], data[0]["turnId"]);
    // The user's message has the script in it: three in all of it, two of the model.
    let mut count = data.as_array().map_or(0, Vec::len);
    let mut cursor = first["nextCursor"].clone();
    while !cursor.is_null() {
        let page = client
            .request("thread/searchOccurrences", params(&cursor))
            .await
            .expect("found");
        count += page["data"].as_array().map_or(0, Vec::len);
        cursor = page["nextCursor"].clone();
    }
    assert_eq!(count, 5);
    let mut other = params(&first["nextCursor"]);
    other["searchTerm"] = json!("other");
    let error = client
        .request("thread/searchOccurrences", other)
        .await
        .expect_err("a cursor of another search");
    let message = error["message"].as_str().expect("a text");
    assert!(message.starts_with("invalid cursor: "), "{message}");
}
