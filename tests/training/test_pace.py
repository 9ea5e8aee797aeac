"""Batch size and epochs by the number of patterns."""

import pytest

from ptychoformer.training import pace as pace_module
from ptychoformer.training.pace import STEPS, Forecast, batches, in_words, pace


@pytest.mark.parametrize("patterns", [2782, 2900, 3100, 50_000])
def test_the_papers_patterns_and_more_get_its_batches_and_epochs(patterns):
    assert pace(patterns) == (32, 25)


def test_three_hundred_patterns_get_those_of_the_laptop_scale():
    assert pace(298) == (4, 29)  # its config says 30


@pytest.mark.parametrize("patterns", [1, 2, 3, 4, 10, 50, 99, 298, 700, 1500, 2000, 10_000])
def test_every_number_of_patterns_gets_as_many_steps_as_the_papers(patterns):
    batch_size, epochs = pace(patterns)
    assert 4 <= batch_size <= 32
    assert epochs >= 25
    assert epochs * batches(patterns, batch_size) >= STEPS
    assert (epochs - 1) * batches(patterns, batch_size) < STEPS or epochs == 25


def test_what_is_given_is_kept_and_the_rest_fits_it():
    assert pace(298, batch_size=32) == (32, 218)
    assert pace(298, epochs=3) == (4, 3)
    assert pace(298, 7, 9) == (7, 9)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on as it is told to."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    monkeypatch.setattr(pace_module, "time", Clock())
    return pace_module.time


def steps_of(forecast, clock, *seconds):
    for duration in seconds:
        clock.now += duration
        forecast.step_done()


@pytest.mark.parametrize(
    ("seconds", "steps", "told"),
    [
        # after the first step that counts
        ([60.0, 20.0, 20.0], 2175, "20 s a step, steps left: 2173, about 12 hours; no such frames."),
        ([3.0, 2.0, 1.5, 9.0], 1003, "1.8 s a step, steps left: 1000, about 29 minutes; no such frames."),
        ([0.5, 0.5, 0.5, 2.5, 7.0], 50, "1.2 s a step, steps left: 46, about 54 seconds"),
    ],
)
def test_how_long_it_takes_is_said_once_after_a_few_steps(clock, capsys, seconds, steps, told):
    steps_of(Forecast(steps, "no such frames"), clock, *seconds)
    assert capsys.readouterr().err == f"{told}\n"


def test_an_epoch_of_seconds_is_not_forecast(clock, capsys):
    forecast = Forecast(1000, "no such frames")
    steps_of(forecast, clock, 1.0, 1.0, 1.0)
    forecast.over = True
    steps_of(forecast, clock, 10.0, 10.0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 seconds"), (89, "89 seconds"), (90, "2 minutes"), (7199, "120 minutes"), (7200, "2 hours")],
)
def test_times_are_said_as_they_are_waited_for(seconds, words):
    assert in_words(seconds) == words
