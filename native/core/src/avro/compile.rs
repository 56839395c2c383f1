//! Compiles a writer schema and the mapped paths to steps.
//!
//! A path names a field by its components, separated by dots. A component names a field of a record (by name or, if no
//! field has the name, by alias) or a key of a map. Unions and arrays on the way take no component: the path applies to
//! every branch that has it and to every element.
//!
//! The steps are a graph, since types may be recursive: one list of steps for each pair of a record and the paths that
//! are still wanted in it. Lists are compiled from a queue, so that chains of types, however long, don't use the stack.

use std::collections::HashMap;

use super::plan::{MapSteps, Plan, Step, Target, Targets};
use super::schema::{Schema, SchemaError, Type, TypeId};

pub(super) struct Path<'a> {
    text: &'a str,
    components: Vec<&'a str>,
    target: Target,
    /// Whether it ends on a type that can hold a value.
    found: bool,
    /// The type on which it ends that can't.
    unfit: Option<&'static str>,
}

impl<'a> Path<'a> {
    pub(super) fn new(text: &'a str, target: Target) -> Self {
        Self {
            text,
            components: text.split('.').collect(),
            target,
            found: false,
            unfit: None,
        }
    }
}

/// A path that is wanted in a value: its number, and how many of its components lie behind.
type Wanted = (usize, usize);

pub(super) struct Compiler<'a> {
    schema: &'a Schema,
    paths: Vec<Path<'a>>,
    plan: Plan,
    numbers: HashMap<(TypeId, Vec<Wanted>), u32>,
    /// Records that have a number in the plan and no steps yet; the first is the next.
    queue: Vec<(TypeId, Vec<Wanted>)>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(schema: &'a Schema, paths: Vec<Path<'a>>) -> Self {
        let plan = Plan {
            records: Vec::new(),
            maps: Vec::new(),
            arrays: Vec::new(),
            unions: Vec::new(),
            enums: Vec::new(),
            targets: Vec::new(),
            absent: Vec::new(),
            id_absent: false,
        };
        Self {
            schema,
            paths,
            plan,
            numbers: HashMap::new(),
            queue: Vec::new(),
        }
    }

    pub(super) fn compile(mut self) -> Result<Plan, SchemaError> {
        let everything = (0..self.paths.len()).map(|path| (path, 0)).collect();
        self.record(self.schema.root, everything);
        // The queue only grows, so that a record's number is its place in both lists.
        while let Some((record, wanted)) = self.queue.get(self.plan.records.len()).cloned() {
            let steps = self.fields(record, &wanted)?;
            self.plan.records.push(steps);
        }
        for path in self.paths.iter().filter(|path| !path.found) {
            match (path.unfit, path.target) {
                (Some(kind), _) => return Err(unfit(path.text, kind)),
                (None, Target::Id) => self.plan.id_absent = true,
                (None, Target::Field(number)) => self.plan.absent.push(number),
            }
        }
        Ok(self.plan)
    }

    fn record(&mut self, id: TypeId, wanted: Vec<Wanted>) -> Step {
        let key = (id, wanted);
        if let Some(&number) = self.numbers.get(&key) {
            return Step::Record(number);
        }
        let number = place(&self.queue);
        self.queue.push(key.clone());
        self.numbers.insert(key, number);
        Step::Record(number)
    }

    /// The steps of a record's fields, in the order of the wire.
    fn fields(&mut self, id: TypeId, wanted: &[Wanted]) -> Result<Box<[Step]>, SchemaError> {
        let schema = self.schema;
        let Type::Record(fields) = &schema.types[id] else {
            return Ok(Box::default());
        };
        let mut inside: Vec<Vec<Wanted>> = vec![Vec::new(); fields.len()];
        for &(path, behind) in wanted {
            let Some(&component) = self.paths[path].components.get(behind) else {
                continue;
            };
            let named = fields.iter().position(|field| field.name == component);
            for (number, field) in fields.iter().enumerate() {
                let aliased = || field.aliases.iter().any(|alias| alias == component);
                if named.map_or_else(aliased, |named| named == number) {
                    inside[number].push((path, behind + 1));
                }
            }
        }
        let mut steps = Vec::with_capacity(fields.len());
        for (field, wanted) in fields.iter().zip(inside) {
            let step = self.value(field.kind, wanted, false)?;
            match (steps.last_mut(), step) {
                (_, Step::Skip(0)) => {}
                (Some(Step::Skip(before)), Step::Skip(width)) => {
                    *before = before.saturating_add(width)
                }
                _ => steps.push(step),
            }
        }
        Ok(steps.into())
    }

    /// The step for a value of a type. The recursion is bounded by the nesting of the schema's JSON.
    fn value(
        &mut self,
        id: TypeId,
        wanted: Vec<Wanted>,
        branch: bool,
    ) -> Result<Step, SchemaError> {
        let schema = self.schema;
        let kind = &schema.types[id];
        let step = match kind {
            Type::Null | Type::Record(_) | Type::Map(_) => {
                // A null beside other branches is a missing value, not a type that can't hold one.
                if !(branch && matches!(kind, Type::Null)) {
                    self.note_unfit(&wanted, kind.kind());
                }
                match kind {
                    Type::Record(_) => self.record(id, self.passing(wanted)),
                    Type::Map(values) => self.map(*values, &wanted)?,
                    _ => Step::Skip(0),
                }
            }
            Type::Boolean | Type::Float | Type::Double => {
                // Not even in one branch of several: its values would pass unchecked.
                if let Some(path) = self.ending(&wanted).next() {
                    return Err(unfit(path.text, kind.kind()));
                }
                match kind {
                    Type::Float => Step::Skip(4),
                    Type::Double => Step::Skip(8),
                    _ => Step::Boolean,
                }
            }
            Type::Array(items) => {
                let items = self.value(*items, wanted, branch)?;
                self.plan.arrays.push(items);
                Step::Array(last(&self.plan.arrays))
            }
            Type::Union(branches) => {
                let steps: Result<_, _> = branches
                    .iter()
                    .map(|&branch| self.value(branch, wanted.clone(), true))
                    .collect();
                self.plan.unions.push(steps?);
                Step::Union(last(&self.plan.unions))
            }
            Type::Integer => self.targets(&wanted).map_or(Step::Varint, Step::Integer),
            Type::Bytes => self.targets(&wanted).map_or(Step::Blob, Step::Bytes),
            Type::String => self.targets(&wanted).map_or(Step::Blob, Step::String),
            Type::Fixed(size) => self
                .targets(&wanted)
                .map_or(Step::Skip(*size as usize), |targets| {
                    Step::Fixed(*size, targets)
                }),
            Type::Enum(symbols) => match self.targets(&wanted) {
                Some(targets) => {
                    self.plan.enums.push(symbols.clone().into());
                    Step::Symbol(last(&self.plan.enums), targets)
                }
                None => Step::Index(place(symbols)),
            },
        };
        Ok(if schema.bare[id] { Step::Skip(0) } else { step })
    }

    fn map(&mut self, values: TypeId, wanted: &[Wanted]) -> Result<Step, SchemaError> {
        let mut keys: Vec<(&str, Vec<Wanted>)> = Vec::new();
        for &(path, behind) in wanted {
            let Some(&component) = self.paths[path].components.get(behind) else {
                continue;
            };
            match keys.iter_mut().find(|(key, _)| *key == component) {
                Some((_, wanted)) => wanted.push((path, behind + 1)),
                None => keys.push((component, vec![(path, behind + 1)])),
            }
        }
        let keys = keys
            .into_iter()
            .map(|(key, wanted)| {
                Ok((
                    Box::from(key.as_bytes()),
                    self.value(values, wanted, false)?,
                ))
            })
            .collect::<Result<_, SchemaError>>()?;
        let other = self.value(values, Vec::new(), false)?;
        self.plan.maps.push(MapSteps { keys, other });
        Ok(Step::Map(last(&self.plan.maps)))
    }

    /// Where a value goes on which wanted paths end, if any do.
    fn targets(&mut self, wanted: &[Wanted]) -> Option<Targets> {
        let start = place(&self.plan.targets);
        for &(path, behind) in wanted {
            let path = &mut self.paths[path];
            if behind == path.components.len() {
                path.found = true;
                self.plan.targets.push(path.target);
            }
        }
        let end = place(&self.plan.targets);
        (start < end).then_some(Targets { start, end })
    }

    fn ending<'s>(&'s self, wanted: &'s [Wanted]) -> impl Iterator<Item = &'s Path<'a>> {
        let ends = wanted
            .iter()
            .filter(|(path, behind)| *behind == self.paths[*path].components.len());
        ends.map(|(path, _)| &self.paths[*path])
    }

    /// Those that go on from here: a path that ended must not make another list of steps.
    fn passing(&self, mut wanted: Vec<Wanted>) -> Vec<Wanted> {
        wanted.retain(|&(path, behind)| behind < self.paths[path].components.len());
        wanted
    }

    fn note_unfit(&mut self, wanted: &[Wanted], kind: &'static str) {
        for &(path, behind) in wanted {
            let path = &mut self.paths[path];
            if behind == path.components.len() {
                path.unfit = Some(kind);
            }
        }
    }
}

fn unfit(path: &str, kind: &str) -> SchemaError {
    SchemaError::new(format!(
        "the mapped path {path} ends on a {kind}, which can't hold a value to be checked"
    ))
}

/// The place that the next item gets. A schema has far fewer parts than 2^32: its text would not fit into memory.
fn place<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).expect("a schema with fewer than 2^32 parts")
}

fn last<T>(list: &[T]) -> u32 {
    place(list) - 1
}
