//! Parses schema JSON to a graph of types. Named types refer to each other by index, so the graph may be cyclic.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::{Map, Value};

/// More types than any crawl event needs; bounds the work that a hostile schema can cause.
const MAX_TYPES: usize = 16_384;

/// A writer schema that can't be read, or that the mapping doesn't fit. The message names schema parts only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(String);

impl SchemaError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

pub(super) type TypeId = usize;

/// A logical type is its base type: a mapped value is judged by what the wire holds.
pub(super) enum Type {
    Null,
    Boolean,
    /// `int` and `long`, which the wire does not tell apart.
    Integer,
    Float,
    Double,
    Bytes,
    String,
    Fixed(u32),
    Enum(Vec<Box<str>>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Vec<Field>),
}

impl Type {
    /// The type's name in a schema.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Fixed(_) => "fixed",
            Self::Enum(_) => "enum",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record(_) => "record",
        }
    }
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) kind: TypeId,
}

/// The types of one writer schema and of the schemas that it refers to.
pub(super) struct Schema {
    pub(super) types: Vec<Type>,
    /// By type: whether every value is encoded in no bytes at all. Such values are skipped without a loop.
    pub(super) bare: Vec<bool>,
    pub(super) root: TypeId,
}

impl Schema {
    /// Parses a writer schema. `references` are parsed before it, in order, so that later ones may name earlier ones.
    pub(super) fn parse(text: &str, references: &[String]) -> Result<Self, SchemaError> {
        let mut parser = Parser::default();
        // A registry may list one reference twice when two others share it.
        let mut seen = HashSet::new();
        for reference in references.iter().filter(|text| seen.insert(text.as_str())) {
            parser.document(reference, "a referenced schema")?;
        }
        let root = parser.document(text, "the schema")?;
        let bare = bare_types(&parser.types);
        Ok(Self {
            types: parser.types,
            bare,
            root,
        })
    }
}

/// The least fixed point: a record that holds itself unconditionally has no values, and isn't bare.
fn bare_types(types: &[Type]) -> Vec<bool> {
    let mut bare = vec![false; types.len()];
    loop {
        let mut changed = false;
        // A record stands before the types of its fields, mostly: backwards, one round finds nearly all.
        for (id, kind) in types.iter().enumerate().rev() {
            let now = match kind {
                Type::Null | Type::Fixed(0) => true,
                Type::Record(fields) => fields.iter().all(|field| bare[field.kind]),
                _ => false,
            };
            changed |= now != bare[id];
            bare[id] = now;
        }
        if !changed {
            return bare;
        }
    }
}

#[derive(Default)]
struct Parser {
    types: Vec<Type>,
    names: HashMap<String, TypeId>,
}

impl Parser {
    /// `serde_json` limits how deep a document nests, which bounds the recursion from here.
    fn document(&mut self, text: &str, what: &str) -> Result<TypeId, SchemaError> {
        let json: Value = serde_json::from_str(text)
            .map_err(|error| SchemaError::new(format!("{what} is not JSON: {error}")))?;
        self.kind(&json, "")
    }

    fn add(&mut self, kind: Type) -> Result<TypeId, SchemaError> {
        if self.types.len() == MAX_TYPES {
            return Err(SchemaError::new(format!(
                "the schema has more than {MAX_TYPES} types"
            )));
        }
        self.types.push(kind);
        Ok(self.types.len() - 1)
    }

    fn kind(&mut self, json: &Value, namespace: &str) -> Result<TypeId, SchemaError> {
        match json {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => {
                let branches: Vec<TypeId> = branches
                    .iter()
                    .map(|branch| self.kind(branch, namespace))
                    .collect::<Result<_, _>>()?;
                if branches
                    .iter()
                    .any(|&branch| matches!(self.types[branch], Type::Union(_)))
                {
                    return Err(SchemaError::new("a union holds a union"));
                }
                self.add(Type::Union(branches))
            }
            Value::Object(object) => self.object(object, namespace),
            _ => Err(SchemaError::new(
                "a type is neither a name, nor a list, nor an object",
            )),
        }
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<TypeId, SchemaError> {
        let primitive = match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" | "long" => Type::Integer,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::String,
            _ => {
                // As Avro's own implementations: the enclosing namespace first, then none.
                let known = self
                    .names
                    .get(&full_name(name, namespace))
                    .or_else(|| self.names.get(name));
                return known
                    .copied()
                    .ok_or_else(|| SchemaError::new(format!("the type {name} is not defined")));
            }
        };
        self.add(primitive)
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<TypeId, SchemaError> {
        let kind = object
            .get("type")
            .ok_or_else(|| SchemaError::new("a type without the attribute \"type\""))?;
        match kind.as_str() {
            Some("array") => {
                let items = self.part(object, "array", "items", namespace)?;
                self.add(Type::Array(items))
            }
            Some("map") => {
                let values = self.part(object, "map", "values", namespace)?;
                self.add(Type::Map(values))
            }
            Some("fixed") => {
                let size = object
                    .get("size")
                    .and_then(Value::as_u64)
                    .and_then(|size| u32::try_from(size).ok())
                    .ok_or_else(|| SchemaError::new("a fixed without a usable \"size\""))?;
                let (id, _) = self.define(object, namespace, Type::Fixed(size))?;
                Ok(id)
            }
            Some("enum") => {
                let symbols = strings(object, "symbols")
                    .ok_or_else(|| SchemaError::new("an enum without a usable \"symbols\""))?
                    .into_iter()
                    .map(String::into_boxed_str)
                    .collect();
                let (id, _) = self.define(object, namespace, Type::Enum(symbols))?;
                Ok(id)
            }
            Some("record" | "error") => self.record(object, namespace),
            _ => self.kind(kind, namespace),
        }
    }

    fn part(
        &mut self,
        object: &Map<String, Value>,
        kind: &str,
        attribute: &str,
        namespace: &str,
    ) -> Result<TypeId, SchemaError> {
        let part = object.get(attribute).ok_or_else(|| {
            SchemaError::new(format!(
                "a type {kind} without the attribute \"{attribute}\""
            ))
        })?;
        self.kind(part, namespace)
    }

    fn record(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<TypeId, SchemaError> {
        // Named before its fields are parsed: they may refer to it.
        let (id, namespace) = self.define(object, namespace, Type::Record(Vec::new()))?;
        let list = object
            .get("fields")
            .and_then(Value::as_array)
            .ok_or_else(|| SchemaError::new("a record without a list \"fields\""))?;
        let mut fields = Vec::with_capacity(list.len());
        let mut taken = HashSet::new();
        for field in list {
            let name = field
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| SchemaError::new("a field without a usable \"name\""))?;
            if !taken.insert(name) {
                return Err(SchemaError::new(format!(
                    "the field {name} occurs twice in one record"
                )));
            }
            let kind = field.get("type").ok_or_else(|| {
                SchemaError::new(format!("the field {name} has no attribute \"type\""))
            })?;
            let kind = self.kind(kind, &namespace)?;
            let aliases = field
                .as_object()
                .and_then(|field| strings(field, "aliases"))
                .unwrap_or_default();
            fields.push(Field {
                name: name.to_owned(),
                aliases,
                kind,
            });
        }
        self.types[id] = Type::Record(fields);
        Ok(id)
    }

    /// Adds a named type. Returns it and the namespace in which names inside it are looked up.
    fn define(
        &mut self,
        object: &Map<String, Value>,
        enclosing: &str,
        kind: Type,
    ) -> Result<(TypeId, String), SchemaError> {
        let name = object.get("name").and_then(Value::as_str).ok_or_else(|| {
            SchemaError::new(format!("a type {} without a usable \"name\"", kind.kind()))
        })?;
        let namespace = match name.rsplit_once('.') {
            Some((namespace, _)) => namespace,
            None => object
                .get("namespace")
                .and_then(Value::as_str)
                .unwrap_or(enclosing),
        };
        let full = full_name(name, namespace);
        if self.names.contains_key(&full) {
            return Err(SchemaError::new(format!(
                "the type {full} is defined twice"
            )));
        }
        let id = self.add(kind)?;
        self.names.insert(full, id);
        Ok((id, namespace.to_owned()))
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn strings(object: &Map<String, Value>, attribute: &str) -> Option<Vec<String>> {
    object
        .get(attribute)?
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}
