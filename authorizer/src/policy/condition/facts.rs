//! What a condition is evaluated on.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Value};
use chrono::DateTime;
use ipnet::IpNet;
use toml::de::DeValue;

use super::check::{IN_NETWORK, MAX_ITEMS};
use crate::jose::exact_date;
use crate::policy::{PathTemplate, Request};
use crate::token::AccessToken;

/// The table `[data]`, as CEL sees it.
pub(in crate::policy) type Data = HashMap<String, Value>;

/// Claims that are times (RFC 7519 §4.1, `OpenID` Connect Core §2 and §5.1).
const TIMES: [&str; 5] = ["exp", "iat", "nbf", "auth_time", "updated_at"];

/// One call of one token. Values are made once, when the first condition asks.
pub(in crate::policy) struct Facts<'f> {
    token: &'f AccessToken,
    data: &'f Data,
    request: Option<&'f Request<'f>>,
    segments: &'f [&'f str],
    claims: OnceCell<(Value, usize)>,
}

impl<'f> Facts<'f> {
    pub(in crate::policy) fn new(
        token: &'f AccessToken,
        data: &'f Data,
        request: Option<&'f Request<'f>>,
        segments: &'f [&'f str],
    ) -> Self {
        Self {
            token,
            data,
            request,
            segments,
            claims: OnceCell::new(),
        }
    }

    pub(super) fn context(
        &self,
        env: &Arc<Env>,
        template: &PathTemplate,
        loops: bool,
    ) -> Result<Context<'static, 'static>, String> {
        let (claims, longest) = self.claims.get_or_init(|| claims_of(self.token));
        if loops && *longest > MAX_ITEMS {
            return Err(format!(
                "a claim is a list of over {MAX_ITEMS} items, too long for a condition to go through"
            ));
        }
        let mut context = Context::with_env(Arc::clone(env));
        context.add_variable_from_value("claims", claims.clone());
        context.add_variable_from_value("policy", map(self.data.clone()));
        if let Some(request) = self.request {
            let time = request.time.and_then(|now| timestamp((now, 0)));
            let mut members = HashMap::from([
                ("method".to_owned(), text(request.method)),
                ("path".to_owned(), map(parameters(template, self.segments))),
            ]);
            members.extend(
                request
                    .source_ip
                    .map(|ip| ("source_ip".to_owned(), text(&ip.to_string()))),
            );
            members.extend(request.stage.map(|stage| ("stage".to_owned(), text(stage))));
            members.extend(time.clone().map(|time| ("time".to_owned(), time)));
            context.add_variable_from_value("request", map(members));
            if let Some(time) = time {
                context.add_variable_from_value("now", time);
            }
        }
        context
            .add_function(IN_NETWORK, in_network)
            .map_err(|error| error.to_string())?;
        Ok(context)
    }
}

/// The parameters of the rule's path, decoded as the path was.
fn parameters(template: &PathTemplate, segments: &[&str]) -> HashMap<String, Value> {
    template
        .capture(segments)
        .map(|(name, value)| (name.to_owned(), text(&value)))
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the form of a CEL function")]
fn in_network(address: Arc<String>, network: Arc<String>) -> Result<bool, ExecutionError> {
    let failed = |what: &str| ExecutionError::function_error(IN_NETWORK, what);
    let address: IpAddr = address
        .parse()
        .map_err(|_| failed("that is not an address"))?;
    let network: IpNet = network
        .parse()
        .map_err(|_| failed("that is not a network"))?;
    Ok(network.contains(&address.to_canonical()))
}

fn claims_of(token: &AccessToken) -> (Value, usize) {
    let mut longest = 0;
    let claims = token.claims.iter().map(|(name, json)| {
        let is_time = TIMES.contains(&name.as_str());
        let time = exact_date(json).filter(|_| is_time).and_then(timestamp);
        (
            name.clone(),
            time.unwrap_or_else(|| value_of(json, &mut longest)),
        )
    });
    let claims = map(claims.collect());
    (claims, longest)
}

fn value_of(json: &serde_json::Value, longest: &mut usize) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .unwrap_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        serde_json::Value::String(string) => text(string),
        serde_json::Value::Array(items) => {
            *longest = items.len().max(*longest);
            Value::List(Arc::new(
                items.iter().map(|item| value_of(item, longest)).collect(),
            ))
        }
        serde_json::Value::Object(members) => {
            *longest = members.len().max(*longest);
            map(members
                .iter()
                .map(|(name, json)| (name.clone(), value_of(json, longest)))
                .collect())
        }
    }
}

/// A value of `[data]`; `None` for a date or a number that's out of range.
pub(in crate::policy) fn value_of_toml(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(string) => text(string),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Integer(number) => {
            Value::Int(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => {
            let items: Option<Vec<Value>> = items
                .iter()
                .map(|item| value_of_toml(item.get_ref()))
                .collect();
            Value::List(Arc::new(items?))
        }
        DeValue::Table(members) => {
            let members: Option<HashMap<String, Value>> = members
                .iter()
                .map(|(name, item)| {
                    Some((name.get_ref().to_string(), value_of_toml(item.get_ref())?))
                })
                .collect();
            map(members?)
        }
    })
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map(members: HashMap<String, Value>) -> Value {
    let members: HashMap<Key, Value> = members
        .into_iter()
        .map(|(name, value)| (Key::from(name), value))
        .collect();
    Value::Map(Map {
        map: Arc::new(members),
    })
}

fn timestamp((seconds, nanoseconds): (i64, u32)) -> Option<Value> {
    Some(Value::Timestamp(
        DateTime::from_timestamp(seconds, nanoseconds)?.fixed_offset(),
    ))
}

/// CEL's own words would show the claims' values; a key that the condition doesn't spell out may be one.
pub(super) fn words_of(error: &ExecutionError, source: &str) -> String {
    match error {
        ExecutionError::NoSuchKey(name) if source.contains(name.as_str()) => {
            format!("`{name}` is missing")
        }
        ExecutionError::NoSuchKey(_) => "a key is missing".to_owned(),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is not known of this call"),
        ExecutionError::NoSuchOverload(overload) => format!("the types don't fit: {overload}"),
        ExecutionError::ValuesNotComparable(..) => "two values can't be compared".to_owned(),
        ExecutionError::FunctionError { function, message } if function == IN_NETWORK => {
            format!("{function}: {message}")
        }
        ExecutionError::FunctionError { function, .. } => format!("{function}() failed"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is out of range".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of range".to_owned(),
        _ => "a value is not of the type that the condition needs".to_owned(),
    }
}
