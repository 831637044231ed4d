//! The story in Rust: story SCENE

use std::collections::BTreeMap;
use std::error::Error as AnyError;
use std::fs;

use appliance_client::{
    AuthLoginArguments, Builder, Client, Error, TemplatesExecuteArguments, TemplatesStatusArguments, TemplatesStreamArguments,
    UsersGetArguments, UsersListArguments,
};
use serde_json::{json, Value};

fn main() -> Result<(), Box<dyn AnyError>> {
    let scene: BTreeMap<String, String> = serde_json::from_str(&fs::read_to_string(std::env::args().nth(1).ok_or("no scene")?)?)?;
    let at = |name: &str| scene[name].as_str();
    let mut told = BTreeMap::<&str, Value>::new();

    let stranger = Client::new(at("url"))?;
    let granted = stranger.auth_login(&AuthLoginArguments {
        name: at("name").into(),
        password: at("password").into(),
        ..AuthLoginArguments::default()
    })?;
    let secret = granted.access_token.clone();
    assert!(!format!("{granted:?}").contains(&secret));
    let opened = |address: &str| -> Builder {
        let token = granted.access_token.clone();
        Client::builder(address).tokens(move || Ok(token.clone()))
    };
    let node = opened(at("url")).build()?;
    told.insert("user", json!(node.users_profile()?.name));
    told.insert("node", json!(node.status()?.name));
    let pages = UsersListArguments { limit: Some(2), ..UsersListArguments::default() };
    let users = node.users_list_all(&pages).map(|user| user.map(|user| user.name));
    told.insert("users", json!(users.collect::<Result<Vec<_>, _>>()?));

    if let Err(Error::Problem(problem)) = node.users_get(&UsersGetArguments { name: "nobody".into() }) {
        let told_of = json!([problem.status, problem.code, !problem.hint.is_empty(), !problem.request_id.is_empty()]);
        told.insert("refused", told_of);
    }
    if let Err(Error::Problem(problem)) = stranger.status() {
        told.insert("stranger", json!([problem.status, problem.code]));
    }

    let what = TemplatesExecuteArguments {
        template: "health-check".into(),
        parameters: Some(BTreeMap::from([("patience".to_owned(), json!(30))])),
    };
    let keyed = node.with_key("rust-1");
    let job = keyed.templates_execute(&what)?.id;
    told.insert("once", json!(keyed.templates_execute(&what)?.id == job));
    told.insert("events", followed(&node, &job)?);
    told.insert("state", json!(node.templates_status(&TemplatesStatusArguments { execution_id: job.clone() })?.state));
    told.insert("resumed", followed(&opened(at("cutting")).build()?, &job)?);
    told.insert("busy", json!(opened(at("busy")).build()?.status()?.name));
    told.insert("gone", failed(&Client::builder(at("gone")).retries(1).build()?));

    let socket = Client::new(&format!("unix:{}", at("socket")))?;
    told.insert("socket", json!(socket.status()?.name));
    let pem = fs::read(at("authority"))?;
    told.insert("pinned", json!(opened(at("tls")).pin(at("wrong")).pin(at("pin")).build()?.status()?.name));
    told.insert("mispinned", failed(&opened(at("tls")).pin(at("wrong")).build()?));
    told.insert("authority", json!(opened(at("tls")).authority(pem.clone()).build()?.status()?.name));
    let mutual = opened(at("mutual")).authority(pem.clone());
    told.insert("mutual", json!(mutual.certificate(pem.clone(), fs::read(at("key"))?).build()?.status()?.name));
    told.insert("nobody", failed(&opened(at("mutual")).authority(pem).build()?));
    told.insert("unknown", failed(&opened(at("tls")).build()?));
    println!("{}", json!(told));
    Ok(())
}

fn failed(node: &Client) -> Value {
    json!(matches!(node.status(), Err(Error::ConnectionFailed(_))))
}

fn followed(node: &Client, execution: &str) -> Result<Value, Error> {
    let stream = node
        .templates_stream(&TemplatesStreamArguments { execution_id: execution.into(), ..TemplatesStreamArguments::default() });
    let events = stream.map(|event| event.map(|event| json!([event.id, event.event])));
    events.collect::<Result<Vec<_>, _>>().map(Value::Array)
}
