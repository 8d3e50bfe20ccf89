import platform

from infra.process.memory import give_back_large_blocks


def test_the_limit_is_taken_where_the_c_library_knows_it() -> None:
    assert give_back_large_blocks() == (platform.libc_ver()[0] == "glibc")
