//! Pages: answers that are too long for one message, as rows one after the other. Page tokens stay in here.

use crate::connection::Connection;
use crate::error::ClientError;
use nrp_proto::wire::{
    BestRequest, BestRow, ListRequest, MarginalsRequest, MarginalsRow, SweepStatus, WorkerStatus,
    WorkersRequest,
};
use std::collections::VecDeque;
use tonic::Status;

/// The rows of an answer, asked for page by page as they are read.
#[derive(Debug)]
pub struct Pages<Q: Paged> {
    connection: Connection,
    /// Asks for the next page; `None` after the last.
    question: Option<Q>,
    rows: VecDeque<Q::Row>,
}

/// A question whose answer comes in pages. Only this crate implements it.
pub trait Paged: sealed::Ask {}

pub(crate) mod sealed {
    use super::{Connection, Status};

    pub trait Ask: Clone + Send + Sync {
        type Row: Send;

        /// One page, and the token of the next, empty after the last.
        fn page(
            self,
            connection: &Connection,
        ) -> impl Future<Output = Result<(Vec<Self::Row>, String), Status>> + Send;

        fn set_token(&mut self, token: String);

        /// Whether `next` is the rest of `row`, cut where a page ended; if so it moves into `row`.
        fn join(_row: &mut Self::Row, next: Self::Row) -> Option<Self::Row> {
            Some(next)
        }
    }
}

impl<Q: Paged> Pages<Q> {
    pub(crate) fn new(connection: Connection, question: Q) -> Self {
        Self {
            connection,
            question: Some(question),
            rows: VecDeque::new(),
        }
    }

    /// The next row, whole even where it spans pages; `None` after the last.
    ///
    /// # Errors
    /// When the next page cannot be read.
    pub async fn next(&mut self) -> Result<Option<Q::Row>, ClientError> {
        // The last row that has been read may go on on the next page.
        while self.rows.len() < 2
            && let Some(question) = &mut self.question
        {
            let page = question.clone().page(&self.connection).await;
            let (rows, token) = page.map_err(|status| self.connection.error(status))?;
            for row in rows {
                let row = match self.rows.back_mut() {
                    Some(last) => Q::join(last, row),
                    None => Some(row),
                };
                self.rows.extend(row);
            }
            if token.is_empty() {
                self.question = None;
            } else {
                question.set_token(token);
            }
        }
        Ok(self.rows.pop_front())
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn all(mut self) -> Result<Vec<Q::Row>, ClientError> {
        let mut all = Vec::new();
        while let Some(row) = self.next().await? {
            all.push(row);
        }
        Ok(all)
    }
}

/// One row type for each paged question: the call, and the field of its reply that holds the rows.
macro_rules! paged {
    ($question:ty => $client:ident.$call:ident -> $rows:ident: $row:ty $(, $join:item)?) => {
        impl Paged for $question {}

        impl sealed::Ask for $question {
            type Row = $row;

            async fn page(self, connection: &Connection) -> Result<(Vec<$row>, String), Status> {
                let reply = connection.$client().$call(self).await?.into_inner();
                Ok((reply.$rows, reply.next_page_token))
            }

            fn set_token(&mut self, token: String) {
                self.page_token = token;
            }

            $($join)?
        }
    };
}

paged!(ListRequest => sweeps.list -> sweeps: SweepStatus);
paged!(WorkersRequest => admin.workers -> workers: WorkerStatus);
paged!(BestRequest => sweeps.best -> rows: BestRow,
    fn join(row: &mut BestRow, next: BestRow) -> Option<BestRow> {
        if (&row.group, &row.region) != (&next.group, &next.region) {
            return Some(next);
        }
        row.best.extend(next.best);
        None
    }
);
paged!(MarginalsRequest => sweeps.marginals -> rows: MarginalsRow,
    fn join(row: &mut MarginalsRow, next: MarginalsRow) -> Option<MarginalsRow> {
        if (&row.group, &row.region) != (&next.group, &next.region) {
            return Some(next);
        }
        row.cells.extend(next.cells);
        None
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Answers with a row for each letter, which holds the digits behind it: pages are cut at spaces.
    #[derive(Debug, Clone)]
    struct Scripted {
        pages: &'static str,
        token: String,
    }

    impl Paged for Scripted {}

    impl sealed::Ask for Scripted {
        type Row = (char, String);

        async fn page(self, _: &Connection) -> Result<(Vec<Self::Row>, String), Status> {
            let number: usize = self.token.parse().unwrap_or(0);
            let pages: Vec<&str> = self.pages.split(' ').collect();
            let page = pages
                .get(number)
                .ok_or_else(|| Status::internal("no such page"))?;
            let mut rows: Vec<Self::Row> = Vec::new();
            for letter in page.chars() {
                match rows.last_mut() {
                    Some((_, digits)) if letter.is_ascii_digit() => digits.push(letter),
                    Some(_) | None => rows.push((letter, String::new())),
                }
            }
            let is_last = number + 1 == pages.len();
            let next = (!is_last).then(|| (number + 1).to_string());
            Ok((rows, next.unwrap_or_default()))
        }

        fn set_token(&mut self, token: String) {
            self.token = token;
        }

        fn join(row: &mut Self::Row, next: Self::Row) -> Option<Self::Row> {
            if row.0 != next.0 {
                return Some(next);
            }
            row.1.push_str(&next.1);
            None
        }
    }

    fn pages(pages: &'static str) -> Pages<Scripted> {
        let connection = Connection::lazy("127.0.0.1:1", Duration::from_secs(1));
        let token = String::new();
        Pages::new(connection.expect("an address"), Scripted { pages, token })
    }

    #[tokio::test]
    async fn a_row_that_was_cut_is_whole_again_however_many_pages_it_spans() {
        for script in [
            "a12b34c5",
            "a1 a2b3 b4c5",
            "a a1 a a2b34  c5",
            "a12 b3 b4 c c5 ",
        ] {
            let rows = pages(script).all().await.expect("every page is there");
            let shown: Vec<String> = rows.iter().map(|(row, of)| format!("{row}{of}")).collect();
            assert_eq!(shown, ["a12", "b34", "c5"], "{script:?}");
        }
        assert!(pages("").all().await.expect("a page").is_empty());
    }
}
