//! Checks a condition when the file is read: every name, parameter and function, the kind of its result, its cost.

use std::collections::BTreeSet;

use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::common::ast::{LiteralValue, SelectExpr};
use ipnet::IpNet;

use super::{Fault, Needs, Scope};

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub needs: Needs,
    /// It goes through lists, so their length is bounded at the call.
    pub loops: bool,
}

const VARIABLES: [&str; 4] = ["claims", "request", "policy", "now"];
const REQUEST: [&str; 5] = ["method", "path", "source_ip", "stage", "time"];
const LOGIC: [&str; 11] = [
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
];
const ARITHMETIC: [&str; 7] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::INDEX,
];
/// The one function of our own; the others are CEL's.
pub(super) const IN_NETWORK: &str = "in_network";
const ANSWERS: [&str; 4] = [IN_NETWORK, "startsWith", "endsWith", "contains"];
const FUNCTIONS: [&str; 16] = [
    "size",
    "duration",
    "timestamp",
    "string",
    "int",
    "double",
    "bool",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getDayOfMonth",
    "getDayOfYear",
];
/// Nodes outside a loop count one, inside as many as a list may have.
const MAX_COST: usize = 64_000;
/// Longest list or map of claims that a condition may go through.
pub(super) const MAX_ITEMS: usize = 1000;

pub(super) fn check(program: &Program, scope: &Scope<'_>) -> Result<Found, Fault> {
    let mut walk = Walk {
        program,
        scope,
        bound: Vec::new(),
        found: Found::default(),
        cost: 0,
        in_loop: false,
    };
    let root = program.expression();
    if !may_be_an_answer(&root.expr) {
        return Err(walk.fault(
            root,
            "the condition doesn't give true or false",
            "compare something, for example with ==",
        ));
    }
    walk.expression(root)?;
    if walk.cost > MAX_COST {
        let remedy = "leave out what isn't needed, above all inside exists() and all()";
        return Err(walk.fault(root, "the condition could cost too much", remedy));
    }
    Ok(walk.found)
}

/// False for what surely gives no boolean.
fn may_be_an_answer(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(literal) => matches!(literal, LiteralValue::Boolean(_)),
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            !ARITHMETIC.contains(&name) && !FUNCTIONS.contains(&name)
                || name == operators::INDEX
                || name == "bool"
        }
        Expr::Comprehension(_) | Expr::Ident(_) | Expr::Select(_) => true,
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => false,
    }
}

struct Walk<'w> {
    program: &'w Program,
    scope: &'w Scope<'w>,
    bound: Vec<&'w str>,
    found: Found,
    cost: usize,
    in_loop: bool,
}

type Checked = Result<(), Fault>;

impl<'w> Walk<'w> {
    fn fault(
        &self,
        node: &IdedExpr,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        let info = self.program.source_info();
        let bytes = info
            .offset_for(node.id)
            .map_or(0, |(start, _)| start as usize);
        let at = info
            .source
            .char_indices()
            .take_while(|(at, _)| *at < bytes)
            .count();
        Fault {
            at,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    fn expression(&mut self, node: &'w IdedExpr) -> Checked {
        self.cost += if self.in_loop { MAX_ITEMS } else { 1 };
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => self.selection(node, select),
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(comprehension) => self.comprehension(node, comprehension),
            Expr::List(list) => list
                .elements
                .iter()
                .try_for_each(|item| self.expression(item)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key)?;
                    self.expression(&entry.value)
                }
                EntryExpr::StructField(field) => self.expression(&field.value),
            }),
            Expr::Struct(_) | Expr::Unspecified => Err(self.fault(
                node,
                "messages can't be built in a condition",
                "compare plain values",
            )),
        }
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Checked {
        if name.starts_with('@') || self.bound.contains(&name) {
            return Ok(());
        }
        match name {
            "claims" | "policy" => {}
            "now" => self.found.needs.time = true,
            "request" => {
                self.found.needs = Needs {
                    path: true,
                    address: true,
                    stage: true,
                    time: true,
                }
            }
            unknown => {
                return Err(self.unknown(node, "variable", unknown, &VARIABLES));
            }
        }
        Ok(())
    }

    fn unknown(&self, node: &IdedExpr, what: &str, name: &str, known: &[&str]) -> Fault {
        let nearest = known
            .iter()
            .min_by_key(|known| strsim::damerau_levenshtein(known, name))
            .filter(|nearest| strsim::damerau_levenshtein(nearest, name) <= 3);
        let did_you_mean = nearest
            .map(|nearest| format!("did you mean `{nearest}`? "))
            .unwrap_or_default();
        let all = known.join(", ");
        self.fault(
            node,
            format!("there is no {what} `{name}`"),
            format!("{did_you_mean}There are {all}"),
        )
    }

    fn selection(&mut self, node: &'w IdedExpr, select: &'w SelectExpr) -> Checked {
        let operand = &select.operand;
        if self.is_free(operand, "request") {
            return self.request_field(node, &select.field);
        }
        if self.is_free(operand, "policy") {
            return self.datum(node, &select.field);
        }
        if self.is_path(operand) {
            self.found.needs.path = true;
            return self.parameter(node, &select.field);
        }
        self.expression(operand)
    }

    fn request_field(&mut self, node: &IdedExpr, field: &str) -> Checked {
        let needs = &mut self.found.needs;
        match field {
            "method" | "path" => needs.path = true,
            "source_ip" => needs.address = true,
            "stage" => needs.stage = true,
            "time" => needs.time = true,
            unknown => return Err(self.unknown(node, "member of request", unknown, &REQUEST)),
        }
        Ok(())
    }

    fn datum(&mut self, node: &IdedExpr, name: &str) -> Checked {
        if self.scope.data.iter().any(|known| known == name) {
            return Ok(());
        }
        let known: Vec<&str> = self.scope.data.iter().map(String::as_str).collect();
        if known.is_empty() {
            let remedy = format!("add a table [data] with {name} to the policy file");
            return Err(self.fault(node, format!("there is no policy.{name}"), remedy));
        }
        Err(self.unknown(node, "member of policy", name, &known))
    }

    fn parameter(&mut self, node: &IdedExpr, name: &str) -> Checked {
        let names: BTreeSet<&str> = self.scope.template.names().collect();
        if names.contains(name) {
            return Ok(());
        }
        let remedy = format!("write the path with {{{name}}}, or use a parameter that it has");
        Err(self.fault(
            node,
            format!("the path {} has no parameter `{name}`", self.scope.template),
            remedy,
        ))
    }

    fn is_free(&self, node: &IdedExpr, name: &str) -> bool {
        matches!(&node.expr, Expr::Ident(ident) if ident == name) && !self.bound.contains(&name)
    }

    fn is_path(&self, node: &IdedExpr) -> bool {
        matches!(&node.expr, Expr::Select(select) if select.field == "path" && self.is_free(&select.operand, "request"))
    }

    fn call(&mut self, node: &'w IdedExpr, call: &'w CallExpr) -> Checked {
        let name = call.func_name.as_str();
        let known = LOGIC.contains(&name)
            || ARITHMETIC.contains(&name)
            || ANSWERS.contains(&name)
            || FUNCTIONS.contains(&name)
            || name == operators::CONDITIONAL;
        if !known {
            let functions = [
                ANSWERS.as_slice(),
                &FUNCTIONS,
                &["has", "exists", "exists_one", "all"],
            ]
            .concat();
            return Err(self.unknown(node, "function", name, &functions));
        }
        if name == operators::INDEX
            && let [operand, index] = call.args.as_slice()
            && let Expr::Literal(LiteralValue::String(key)) = &index.expr
        {
            if self.is_path(operand) {
                self.found.needs.path = true;
                return self.parameter(node, key.inner());
            }
            if self.is_free(operand, "policy") {
                return self.datum(node, key.inner());
            }
            if self.is_free(operand, "request") {
                return self.request_field(node, key.inner());
            }
        }
        if name == IN_NETWORK
            && let Some(Expr::Literal(LiteralValue::String(network))) =
                call.args.last().map(|arg| &arg.expr)
            && network.inner().parse::<IpNet>().is_err()
        {
            let message = format!("{:?} is not a network", network.inner());
            return Err(self.fault(
                node,
                message,
                "write it like \"10.0.0.0/8\" or \"2001:db8::/32\"",
            ));
        }
        let target = call.target.as_deref();
        target
            .into_iter()
            .chain(&call.args)
            .try_for_each(|part| self.expression(part))
    }

    fn comprehension(
        &mut self,
        node: &'w IdedExpr,
        comprehension: &'w ComprehensionExpr,
    ) -> Checked {
        if !matches!(comprehension.accu_init.expr, Expr::Literal(_)) {
            let remedy = "use exists(), exists_one() or all(), which need no new list";
            return Err(self.fault(node, "map() and filter() aren't available", remedy));
        }
        self.expression(&comprehension.iter_range)?;
        if self.in_loop {
            let remedy = "compare with `in`, or split the rule";
            return Err(self.fault(node, "a loop inside a loop could cost too much", remedy));
        }
        self.found.loops = true;
        self.in_loop = true;
        let before = self.bound.len();
        self.bound.push(&comprehension.iter_var);
        self.bound.extend(comprehension.iter_var2.as_deref());
        self.bound.push(&comprehension.accu_var);
        let parts = [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ];
        let outcome = parts.into_iter().try_for_each(|part| self.expression(part));
        self.bound.truncate(before);
        self.in_loop = false;
        outcome
    }
}
