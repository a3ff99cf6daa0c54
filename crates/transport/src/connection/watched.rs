//! The bytes of a connection under watch.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::raw_answer::{answer_and_close, close, meant_by_parser};
use super::stream::Stream;
use super::{Connection, Overdue, Speaks};
use crate::limits::Limit;
use crate::over_limit::OverLimit;
use crate::problem::Problem;

/// A connection that tells its [`Connection`] what it does, and ends when that says so. To the server beneath, a connection that
/// was ended looks as if the client had closed it.
pub(crate) struct Watched {
    stream: Option<Stream>,
    connection: Rc<Connection>,
}

impl Watched {
    pub(super) fn new(stream: Stream, connection: Rc<Connection>) -> Self {
        Self { stream: Some(stream), connection }
    }

    /// What its requests and its watch know of it.
    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn end(&mut self, overdue: Overdue) -> io::Result<()> {
        match overdue {
            Overdue::Head { begun } => {
                Limit::HeadTime.count();
                if begun && self.connection.speaks.get() == Speaks::Http1 {
                    let time_max = self.connection.watch.head_time_max();
                    self.answer(OverLimit::HeadTime { time_max }.into());
                } else {
                    self.close();
                }
                Ok(())
            }
            Overdue::Idle => {
                self.close();
                Ok(())
            }
            Overdue::Answer => {
                if self.stream.take().is_some() {
                    Limit::AnswerTime.count();
                }
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    fn answer(&mut self, problem: Problem) {
        if let Some(stream) = self.stream.take() {
            actix_web::rt::spawn(answer_and_close(stream, problem));
        }
    }

    fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            actix_web::rt::spawn(close(stream));
        }
    }

    /// The bytes, unless the connection was ended; `Err` when that must be said aloud.
    fn open(&mut self) -> io::Result<Option<&mut Stream>> {
        if self.stream.is_some()
            && let Some(overdue) = self.connection.overdue.get()
        {
            self.end(overdue)?;
        }
        Ok(self.stream.as_mut())
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(stream) = this.open()? else { return Poll::Ready(Ok(())) };
        let before = buffer.filled().len();
        let read = Pin::new(stream).poll_read(context, buffer);
        if read.is_pending() {
            this.connection.park(context.waker());
        } else if before < buffer.filled().len() {
            this.connection.read_some();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.open()?.is_some()
            && this.connection.in_flight() == 0
            && let Some(problem) = meant_by_parser(bytes)
        {
            if let Some(limit) = problem.limit() {
                limit.count();
            }
            this.answer(problem);
        }
        // Whoever was answered already is not told anything more.
        let Some(stream) = this.open()? else { return Poll::Ready(Ok(bytes.len())) };
        let written = Pin::new(stream).poll_write(context, bytes);
        if written.is_pending() {
            this.connection.cannot_write();
            this.connection.park(context.waker());
        } else {
            this.connection.wrote_some();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().open()? {
            Some(stream) => Pin::new(stream).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().open()? {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}
