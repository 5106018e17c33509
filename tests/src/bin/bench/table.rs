//! Rows of figures, each with its goal, as a table for the README.

/// One figure.
pub(crate) struct Row {
    what: String,
    measured: String,
    goal: String,
    met: Option<bool>,
}

/// All figures, in the order they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// A figure with a goal that was met or missed.
    pub(crate) fn goal(&mut self, what: &str, measured: String, goal: String, met: bool) {
        self.push(what, measured, goal, Some(met));
    }

    /// A figure beside which others are read.
    pub(crate) fn note(&mut self, what: &str, measured: String) {
        self.push(what, measured, String::new(), None);
    }

    fn push(&mut self, what: &str, measured: String, goal: String, met: Option<bool>) {
        let mark = match met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        // Somebody waits for minutes: each figure is shown when it is there.
        eprintln!("{what}: {measured} {goal} {mark}");
        self.rows.push(Row {
            what: what.to_owned(),
            measured,
            goal,
            met,
        });
    }

    /// The table in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = "| figure | measured | goal | |\n| --- | --- | --- | --- |\n".to_owned();
        for row in &self.rows {
            let mark = match row.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            text.push_str(&format!(
                "| {} | {} | {} | {mark} |\n",
                row.what, row.measured, row.goal
            ));
        }
        text
    }

    /// What was missed.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| row.met == Some(false));
        missed
            .map(|row| format!("{}: {} (goal: {})", row.what, row.measured, row.goal))
            .collect()
    }
}
