"""What a delivery attempt works on."""

from pratique.mail.reply import Reply
from pratique.runner.jobs import Answered, Destination, Job, Target


def test_an_answer_is_a_fact_unless_it_says_that_it_is_in_doubt() -> None:
    answered = Answered(Target(0, "a@b.example", "", ""), Reply(250, "2.0.0", "ok"))
    assert not answered.in_doubt and not answered.relayed_dsn


def test_a_new_job_may_not_double() -> None:
    job = Job(7, "b.example", ())
    assert not job.doubtful and not job.in_dot and job.attempts == 0


def test_destinations_share_nothing() -> None:
    one, other = Destination("a.example"), Destination("b.example")
    one.queue.append(Job(1, "a.example", ()))
    assert not other.queue and other.health is not one.health and other.idle is not one.idle
