import time

from latentsep.pipeline.stage_clock import STAGES, StageClock


def test_the_stages_add_up_to_the_wall_time():
    clock = StageClock()
    assert clock.current == "fetch_s"
    for stage in STAGES:
        clock.enter(stage)
        time.sleep(0.01)
    seconds = clock.seconds()
    assert set(seconds) == {*STAGES, "wall_s"}
    assert all(seconds[stage] >= 0.01 for stage in STAGES)
    assert abs(sum(seconds[stage] for stage in STAGES) - seconds["wall_s"]) < 1e-6


def test_a_stage_that_is_entered_twice_adds_up():
    clock = StageClock()
    clock.enter("decode_s")
    time.sleep(0.02)
    clock.enter("encode_s")
    clock.enter("decode_s")
    time.sleep(0.02)
    assert clock.seconds()["decode_s"] >= 0.04
    assert clock.current == "decode_s"
