//! Servers that misbehave: cargo test

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use appliance_client::{
    Builder, Client, ConfirmArguments, Error, Event, EventsFollowArguments, InviteArguments, LookupArguments, PeersArguments,
    TokensCreateArguments, UsersCreateArguments, UsersListArguments,
};
use serde_json::json;

type Seen = Arc<Mutex<Vec<String>>>;

/// A server whose answers are bytes, after which the connection ends. Where it is, and the requests that it saw.
fn served(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> (Builder, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let kept = seen.clone();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let said = request(&mut stream);
            kept.lock().unwrap().push(said.clone());
            let _ = stream.write_all(&answer(number, &said));
        }
    });
    (Client::builder(&address).token("t").longest_wait(Duration::ZERO).retries(2), seen)
}

fn request(stream: &mut TcpStream) -> String {
    let mut said = String::new();
    let mut bytes = [0; 65536];
    loop {
        let read = stream.read(&mut bytes).unwrap_or(0);
        said.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        if let Some((head, body)) = said.split_once("\r\n\r\n") {
            let length = field(head, "Content-Length").map_or(0, |length| length.parse().unwrap());
            if read == 0 || body.len() >= length {
                return said;
            }
        } else if read == 0 {
            return said;
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn plain(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nRetry-After: 7\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn attempts(seen: &Seen) -> usize {
    seen.lock().unwrap().len()
}

fn confirm(client: &Client) -> Result<(), Error> {
    client.confirm(&ConfirmArguments::default()).map(drop)
}

#[test]
fn what_is_sent_again() {
    for (status, retryable, call, expected) in [
        ("503 Busy", true, "confirm", 3),
        ("429 Busy", true, "confirm", 3),
        ("503 Busy", false, "confirm", 1),
        ("504 Late", true, "confirm", 1),
        ("504 Late", true, "keyed", 3),
        ("504 Late", true, "status", 3),
        ("403 No", false, "status", 1),
    ] {
        let body = json!({"code": "No", "detail": "no", "hint": "wait", "retryable": retryable, "instance": "urn:request:7"});
        let (builder, seen) = served(move |_, _| plain(status, &body.to_string()));
        let client = builder.build().unwrap();
        let error = match call {
            "confirm" => confirm(&client),
            "keyed" => confirm(&client.with_key("k")),
            _ => client.status().map(drop),
        };
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "No: no (wait)");
        match error {
            Error::Problem(problem) => {
                assert_eq!((problem.status.to_string(), problem.retryable), (status[..3].to_owned(), retryable));
                assert_eq!((problem.request_id.as_str(), problem.retry_after), ("7", Some(Duration::from_secs(7))));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(attempts(&seen), expected, "{status} {call}");
    }
}

#[test]
fn a_connection_that_breaks_in_the_middle() {
    for half in ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"name\": ", "HTTP/1.1 200 OK\r\nConte", ""] {
        let (builder, seen) = served(move |_, _| half.as_bytes().to_vec());
        let client = builder.build().unwrap();
        assert!(matches!(client.status(), Err(Error::ConnectionFailed(_))));
        assert_eq!(attempts(&seen), 3);
        assert!(matches!(confirm(&client), Err(Error::ConnectionFailed(_))));
        assert_eq!(attempts(&seen), 4);
        assert!(matches!(confirm(&client.with_key("k")), Err(Error::ConnectionFailed(_))));
        assert_eq!(attempts(&seen), 7);
    }
    let nobody = Client::builder("http://127.0.0.1:1").longest_wait(Duration::ZERO).build().unwrap();
    assert!(matches!(confirm(&nobody), Err(Error::ConnectionFailed(_))));
}

#[test]
fn a_server_that_is_silent_or_tells_a_byte_at_a_time() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = request(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
            while stream.write_all(if answer.is_empty() { b"" } else { b" " }).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let client = Client::builder(&address).timeout(Duration::from_millis(100)).retries(0).build().unwrap();
        let error = client.status().unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
    }
}

#[test]
fn answers_that_are_none() {
    for answer in [
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n[1]",
        "HTTP/1.1 200 OK\r\n\r\n{\"name\": 5}",
        "HTTP/1.1 204 No\r\n\r\n",
        &"HTTP/1.1 100 Continue\r\n\r\n".repeat(9),
        &format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{{}}", "x".repeat(1 << 16)),
        &format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", "X: y\r\n".repeat(101)),
        &format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat((64 << 20) + 1)),
    ] {
        let bytes = answer.as_bytes().to_vec();
        let (builder, seen) = served(move |_, _| bytes.clone());
        let found = builder.build().unwrap().status();
        assert!(matches!(found, Err(Error::ConnectionFailed(_))), "{:.80} {found:?}", answer);
        assert_eq!(attempts(&seen), 1, "{:.80}", answer);
    }
}

#[test]
fn answers_in_every_form_that_there_is() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"name\": \"n\"}more",
        "HTTP/1.0 200\r\n\r\n{\"name\": \"n\"}",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;a=b\r\n{\"\r\n0B\r\nname\": \"n\"}\r\n0\r\nX: y\r\n\r\n",
    ] {
        let (builder, _) = served(move |_, _| answer.as_bytes().to_vec());
        assert_eq!(builder.build().unwrap().status().unwrap().name, "n");
    }
}

#[test]
fn problems_of_others() {
    for (body, detail) in [
        ("<html>", "Bad Gateway"),
        (r#"{"code": 5, "detail": ["x"], "retryable": "yes", "problems": 1, "instance": {}}"#, "Bad Gateway"),
        ("[1]", "Bad Gateway"),
        (r#"{"title": "Oh"}"#, "Oh"),
    ] {
        let (builder, _) = served(move |_, _| plain("502 Bad Gateway", body));
        match builder.build().unwrap().status() {
            Err(Error::Problem(problem)) => {
                assert_eq!((problem.code.as_str(), problem.detail.as_str(), problem.retryable), ("http-502", detail, false));
            }
            other => panic!("{other:?}"),
        }
    }
    let (builder, _) = served(|_, _| plain("422 No", r#"{"code": "Invalid", "problems": [{"path": "ttl", "message": "less"}]}"#));
    match builder.build().unwrap().invite(&InviteArguments::default()) {
        Err(Error::Problem(problem)) => {
            assert_eq!((problem.problems[0].path.as_str(), problem.problems[0].message.as_str()), ("ttl", "less"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_goes_nowhere_else() {
    let (elsewhere, asked) = served(|_, _| plain("200 OK", "{}"));
    drop(elsewhere);
    let (builder, _) = served(|_, _| b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n".to_vec());
    assert!(matches!(builder.build().unwrap().status(), Err(Error::Problem(problem)) if problem.status == 302));
    assert_eq!(attempts(&asked), 0);
    let client = Client::builder("http://127.0.0.1:1").token("secret\r\nHost: x").build().unwrap();
    let error = client.status().unwrap_err();
    assert!(matches!(error, Error::Unusable(_)) && !error.to_string().contains("secret"));
    assert!(!format!("{client:?}").contains("secret"));
    let client = Client::builder("http://127.0.0.1:1").tokens(|| Err("no token today".into())).build().unwrap();
    assert_eq!(client.status().unwrap_err().to_string(), "there is no token: no token today");
    assert!(matches!(client.with_request_id("a\nb").process_alive(), Err(Error::NoToken(_))));
    for address in [
        "",
        "node",
        "ftp://node",
        "http://a:secret@node",
        "http://",
        "http://node\n",
        "http://node:99999",
        "http://:1",
        "http://a:b:1",
        "http://[",
        "http://node?x",
    ] {
        let error = Client::new(address).unwrap_err();
        assert!(matches!(error, Error::Unusable(_)) && !error.to_string().contains("secret"), "{address}");
    }
    for address in ["http://[::1]:80/a/", "https://node.example", "unix:/a b"] {
        Client::new(address).unwrap();
    }
}

#[test]
fn arguments_stand_where_they_belong() {
    let (builder, seen) = served(|_, said| plain(if said.contains("/events") { "204 Over" } else { "200 OK" }, "{}"));
    let client = builder.build().unwrap();
    let text = str::to_owned;
    client.lookup(&LookupArguments { name: text("a/b ?é") }).unwrap();
    client.lookup(&LookupArguments { name: text("..") }).unwrap();
    client.peers(&PeersArguments { limit: Some(5), ..PeersArguments::default() }).unwrap();
    let laptop = InviteArguments { name: text("laptop"), tags: Some(vec![text("x")]), ..InviteArguments::default() };
    client.with_request_id("mine").invite(&laptop).unwrap();
    let user = UsersCreateArguments { name: text("a"), password: text("secret"), ..UsersCreateArguments::default() };
    assert!(!format!("{user:?}").contains("secret"));
    client.users_create(&user).unwrap();
    client.tokens_create(&TokensCreateArguments { name: text("a"), ..TokensCreateArguments::default() }).unwrap();
    client.confirm(&ConfirmArguments::default()).unwrap();
    let topics = EventsFollowArguments { topics: Some(vec![text("a"), text("b")]), ..EventsFollowArguments::default() };
    assert!(client.events_follow(&topics).next().is_none());
    let seen = seen.lock().unwrap();
    let told = seen.iter().map(|each| {
        let (head, body) = each.split_once("\r\n\r\n").unwrap();
        assert_eq!(field(head, "Authorization"), Some("Bearer t"));
        format!("{} {body}", head.lines().next().unwrap().trim_end_matches(" HTTP/1.1"))
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "GET /api/v1/names/a%2Fb%20%3F%C3%A9 ",
            "GET /api/v1/names/%2E%2E ",
            "GET /api/v1/peers?limit=5 ",
            r#"POST /api/v1/invitations {"name":"laptop","tags":["x"]}"#,
            r#"POST /api/v1/users {"name":"a","password":"secret"}"#,
            r#"POST /api/v1/tokens {"name":"a","scopes":[]}"#,
            "POST /api/v1/node/confirm {}",
            "GET /api/v1/events?topics=a&topics=b ",
        ]
    );
    assert_eq!(field(&seen[3], "X-Request-Id"), Some("mine"));
}

#[test]
fn members_that_nobody_knows_are_kept_and_missing_ones_are_empty() {
    let (builder, _) = served(|_, _| plain("200 OK", r#"{"name": "n", "later": 9007199254740993}"#));
    let status = builder.build().unwrap().status().unwrap();
    assert_eq!((status.name.as_str(), status.version.as_str()), ("n", ""));
    assert_eq!(status.other_members, BTreeMap::from([("later".to_owned(), json!(9007199254740993_i64))]));
}

#[test]
fn a_list_is_read_to_its_end_or_to_its_error() {
    let (builder, _) = served(|number, _| match number {
        3 => plain("403 No", ""),
        _ => plain("200 OK", &json!({"next": (number + 1).to_string(), "items": [{"name": format!("u{number}")}]}).to_string()),
    });
    let users = builder.build().unwrap().users_list_all(&UsersListArguments::default());
    let told = users.map(|user| user.map_or_else(|error| error.to_string(), |user| user.name)).collect::<Vec<_>>();
    assert_eq!(told, ["u0", "u1", "u2", "http-403: No"]);
}

#[test]
fn requests_leave_at_the_rate_that_is_asked_for() {
    let (builder, _) = served(|_, _| plain("200 OK", "{}"));
    let client = builder.every(Duration::from_millis(1)).build().unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        client.status().unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(2));
}

/// A stream of texts, one a connection: `!` at the end breaks it off. What was told, and after which events it was asked for.
fn told(texts: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (builder, seen) = served(move |number, _| match texts.get(number).map(String::as_str) {
        None => plain("204 Over", ""),
        Some("busy") => plain("503 Busy", ""),
        Some("refused") => plain("403 No", ""),
        Some(text) => {
            let whole = text.strip_suffix('!');
            let length = whole.map_or(text.len(), |text| text.len() + 1);
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", whole.unwrap_or(text)).into_bytes()
        }
    });
    let events = builder.build().unwrap().events_follow(&EventsFollowArguments::default());
    let told = events.map(|event| match event {
        Ok(Event { id, event, data }) => format!("{id} {event} {}", data.event),
        Err(Error::ConnectionFailed(_)) => "failed".to_owned(),
        Err(error) => error.to_string(),
    });
    let told = told.collect();
    let seen = seen.lock().unwrap();
    let after = seen.iter().map(|each| field(each, "Last-Event-ID").unwrap_or("").to_owned());
    (told, after.collect())
}

fn texts(said: &[&str]) -> Vec<String> {
    said.iter().map(|each| (*each).to_owned()).collect()
}

#[test]
fn a_stream_tells_each_event_once() {
    let (found, after) = told(texts(&[
        ": hello\n\nretry: 1\nid: 1\nevent: peer\ndata: {\"event\":\ndata: \"a\"}\n\nid: 2\r\ndata:\r\ndata:{\"event\": \"2\"}\r\n\r\nid: 3\ndata: lost!",
        "busy",
        "id: 3\ndata:{\"event\": \"3\"}\n\n: heartbeat\nid: 9\n\nid: 10\n",
        "data: {\"event\": \"4\"}\n\n",
    ]));
    assert_eq!(found, ["1 peer a", "2 message 2", "3 message 3", "9 message 4"]);
    assert_eq!(after, ["", "2", "2", "9", "9"]);
}

#[test]
fn a_stream_that_cannot_go_on_ends() {
    assert_eq!(told(texts(&["refused"])), (texts(&["http-403: No"]), texts(&[""])));
    assert_eq!(told(texts(&["!", "!", "!", "!"])), (texts(&["failed"]), texts(&["", "", ""])));
    assert_eq!(told(texts(&["data: {\n\n"])), (texts(&["failed"]), texts(&[""])));
    assert_eq!(told(vec![format!("data: {}", "x".repeat(4 << 20))]).0, ["failed"]);
    assert_eq!(told(vec![format!("data: {}\n", "x".repeat(3 << 20)).repeat(6)]).0, ["failed"]);
}

#[test]
fn a_stream_is_closed_by_another_thread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut stream = client.events_follow(&EventsFollowArguments::default());
    let closer = stream.closer();
    let (told, ended) = mpsc::channel();
    let reader = thread::spawn(move || told.send(stream.next().is_none()).unwrap());
    let (mut connection, _) = listener.accept().unwrap();
    let _ = request(&mut connection);
    connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n: hello\n").unwrap();
    closer.close();
    assert!(ended.recv_timeout(Duration::from_secs(60)).unwrap());
    reader.join().unwrap();
}

#[test]
fn a_stream_that_is_dropped_lets_go_of_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut stream = client.events_follow(&EventsFollowArguments::default());
    let _closer = stream.closer();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let _ = request(&mut connection);
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\nid: 1\ndata: {}\n\n").unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        connection.read(&mut [0; 1])
    });
    assert_eq!(stream.next().unwrap().unwrap().id, "1");
    drop(stream);
    assert_eq!(server.join().unwrap().unwrap(), 0);
}

#[test]
fn limits_may_be_without_end() {
    let (builder, _) = served(|_, _| plain("200 OK", "{}"));
    let client = builder.timeout(Duration::MAX).longest_wait(Duration::MAX).build().unwrap();
    client.status().unwrap();
}
