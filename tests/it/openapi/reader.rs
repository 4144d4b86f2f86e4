//! Who takes a request, and who tells of an answer: by the document and plain JSON Schema, part by part. It knows only what
//! `made.rs` makes: no references, parameters of one value or a list, bodies of one media type or range each.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::{cell::RefCell, collections::BTreeMap};

pub struct Reader<'d> {
    document: &'d Value,
    compiled: RefCell<BTreeMap<String, Validator>>,
}

/// An operation, the texts in its path by name, and those of the query as they are sent.
type Asked<'d> = (&'d Value, BTreeMap<String, String>, Vec<(String, String)>);

impl<'d> Reader<'d> {
    pub fn of(document: &'d Value) -> Self {
        Self { document, compiled: RefCell::default() }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut compiled = self.compiled.borrow_mut();
        let validator = compiled
            .entry(schema.to_string())
            .or_insert_with(|| jsonschema::draft202012::new(schema).expect("a schema"));
        validator.is_valid(value)
    }

    /// A text fits where any reading of it does.
    fn text_fits(&self, schema: &Value, text: &str) -> bool {
        typed(text).iter().any(|value| self.fits(schema, value))
    }

    /// What a parameter of a query may say: one text, or a list, which stands in one text or in many.
    fn readings(&self, parameter: &Value, sent: &[&str]) -> Vec<Value> {
        let is_apart = parameter["explode"] != json!(false);
        let found = match sent {
            [one] if is_apart => [typed(&decoded(one)), lists(&[decoded(one)])].concat(),
            [one] => {
                let items: Vec<String> = one.split(',').map(decoded).collect();
                let nothing = one.is_empty().then(|| json!([])).into_iter().collect();
                [typed(&decoded(one)), lists(&items), nothing].concat()
            }
            many if is_apart => lists(&many.iter().map(|text| decoded(text)).collect::<Vec<_>>()),
            _ => Vec::new(),
        };
        found.into_iter().filter(|value| self.fits(&parameter["schema"], value)).collect()
    }

    /// What a request may say with a parameter of its query.
    pub fn reads(&self, message: &Value, name: &str) -> Vec<Value> {
        let Some((operation, _, query)) = self.operation(message["request"].as_str().unwrap()) else {
            return Vec::new();
        };
        let sent: Vec<&str> = query.iter().filter(|(own, _)| own == name).map(|(_, text)| text.as_str()).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.filter(|own| own["name"] == name).flat_map(|own| self.readings(own, &sent)).collect()
    }

    /// The operation of a request line, with the texts of its path and its query.
    fn operation(&self, line: &str) -> Option<Asked<'d>> {
        let (method, target) = line.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let sent: Vec<&str> = path.split('/').collect();
        for (template, item) in self.document["paths"].as_object()? {
            let parts: Vec<&str> = template.split('/').collect();
            let is_name = |part: &str| part.starts_with('{');
            let fits = |(part, sent): (&&str, &&str)| part == sent || (is_name(part) && !sent.is_empty());
            if parts.len() != sent.len() || !parts.iter().zip(&sent).all(fits) {
                continue;
            }
            let in_path = parts.iter().zip(&sent).filter(|(part, _)| is_name(part));
            let in_path = in_path.map(|(part, sent)| (part.trim_matches(['{', '}']).to_owned(), decoded(sent)));
            let query = query.split('&').filter_map(|pair| pair.split_once('='));
            let query = query.map(|(name, text)| (decoded(name), text.to_owned())).collect();
            return Some((item.get(method.to_lowercase())?, in_path.collect(), query));
        }
        None
    }

    pub fn offers(&self, message: &Value) -> bool {
        self.operation(message["request"].as_str().unwrap()).is_some()
    }

    /// Whether an answer is told of at all, and every header of it.
    pub fn declares(&self, message: &Value) -> bool {
        let Some((operation, ..)) = self.operation(message["request"].as_str().unwrap()) else { return false };
        let status = message["status"].as_u64().unwrap();
        let responses = &operation["responses"];
        let told = responses.get(status.to_string()).or_else(|| responses.get(format!("{}XX", status / 100)));
        let Some(told) = told.map(|told| &told["headers"]) else { return false };
        let mut sent = message["headers"].as_object().into_iter().flatten().map(|(name, _)| name);
        sent.all(|name| name == "Content-Type" || told.get(name).is_some())
    }

    pub fn takes(&self, message: &Value) -> bool {
        let Some((operation, in_path, query)) = self.operation(message["request"].as_str().unwrap()) else {
            return false;
        };
        let headers: BTreeMap<String, &str> = message["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, text)| (name.to_lowercase(), text.as_str().unwrap()))
            .collect();
        let mut read = vec!["content-type".to_owned(), "accept".to_owned()];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let text = match parameter["in"].as_str().unwrap() {
                "path" => in_path.get(name).cloned(),
                "query" => {
                    let sent = query.iter().filter(|(own, _)| own == name).map(|(_, text)| text.as_str());
                    let sent: Vec<&str> = sent.collect();
                    read.push(name.to_lowercase());
                    match sent.is_empty() {
                        true if parameter["required"] == json!(true) => return false,
                        false if self.readings(parameter, &sent).is_empty() => return false,
                        _ => continue,
                    }
                }
                _ => headers.get(&name.to_lowercase()).map(|text| (*text).to_owned()),
            };
            read.push(name.to_lowercase());
            match text {
                None if parameter["required"] == json!(true) => return false,
                Some(text) if !self.text_fits(&parameter["schema"], &text) => return false,
                _ => {}
            }
        }
        // What is sent and not read is not taken for what it says.
        if query.iter().map(|(name, _)| name).chain(headers.keys()).any(|name| !read.contains(&name.to_lowercase())) {
            return false;
        }
        let body = match (operation.get("requestBody"), headers.get("content-type")) {
            (None, sent) => sent.is_none(),
            (Some(body), None) => body["required"] != json!(true),
            (Some(body), Some(media)) => body["content"]
                .get(media)
                .or_else(|| body["content"].get(format!("{}/*", media.split('/').next().unwrap())))
                .is_some_and(|content| self.fits(content.get("schema").unwrap_or(&json!(true)), &message["body"])),
        };
        let offered = |media: &&str| operation["responses"]["200"]["content"].get(media).is_some();
        body && headers.get("accept").is_none_or(offered) && self.lets_in(operation, &message["credentials"])
    }

    fn lets_in(&self, operation: &Value, shown: &Value) -> bool {
        let ways = operation["security"].as_array().cloned().unwrap_or_default();
        let holds = |way: &Value| {
            way.as_object().unwrap().iter().all(|(scheme, scopes)| {
                let given = shown.get(scheme).and_then(Value::as_array);
                given.is_some_and(|given| scopes.as_array().unwrap().iter().all(|scope| given.contains(scope)))
            })
        };
        ways.is_empty() || ways.iter().any(holds)
    }

    pub fn tells(&self, message: &Value) -> bool {
        let Some((operation, ..)) = self.operation(message["request"].as_str().unwrap()) else { return false };
        let status = message["status"].as_u64().unwrap();
        let exact = operation["responses"].get(status.to_string());
        let response = match exact.or_else(|| operation["responses"].get(format!("{}XX", status / 100))) {
            Some(response) => response,
            // An error that is not told of is understood by its class.
            None => return status >= 400,
        };
        let sent = |name: &str| {
            let headers = message["headers"].as_object()?;
            headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?.1.as_str()
        };
        let headers = response["headers"].as_object().into_iter().flatten().all(|(name, header)| match sent(name) {
            None => header["required"] != json!(true),
            Some(text) => self.text_fits(&header["schema"], text),
        });
        let body = match sent("content-type") {
            None => true,
            // Whoever names what it accepts is answered in that.
            Some(media) => response["content"]
                .get(media)
                .is_none_or(|content| self.fits(content.get("schema").unwrap_or(&json!(true)), &message["body"])),
        };
        headers && body
    }
}

/// A text, and what it spells.
fn typed(text: &str) -> Vec<Value> {
    let typed = serde_json::from_str::<Value>(text).ok().filter(|value| value.is_number() || value.is_boolean());
    [Some(json!(text)), typed].into_iter().flatten().collect()
}

/// Each item may be read in its own way.
fn lists(items: &[String]) -> Vec<Value> {
    let all = items.iter().map(|item| typed(item)).fold(vec![Vec::new()], |lists, item| {
        let longer = |list: &Vec<Value>| item.iter().map(|one| [list.clone(), vec![one.clone()]].concat()).collect();
        lists.iter().flat_map(|list| -> Vec<Vec<Value>> { longer(list) }).collect()
    });
    all.into_iter().map(Value::Array).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match (*first == b'%').then(|| u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
