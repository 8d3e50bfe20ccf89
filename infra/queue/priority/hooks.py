"""Which middleware has something to do at a signal: most hooks of most middleware are the empty ones they inherit."""

from dramatiq import Middleware


class Hooks:
    """Looks up once, whenever a broker's middleware has changed, what would be looked up for each message."""

    def __init__(self) -> None:
        self._seen: tuple[list[Middleware], dict[str, tuple[Middleware, ...]]] = ([], {})

    def hearing(self, middleware: list[Middleware], hook: str) -> tuple[Middleware, ...]:
        """The middleware with an implementation of a hook, in calling order: `after` hooks are called in reverse
        order.
        """
        known, hearing = self._seen
        if middleware != known:
            # Both at once: another thread that is still at the old ones must not note them among the new.
            known, hearing = self._seen = middleware.copy(), {}
        found = hearing.get(hook)
        if found is None:
            found = tuple(one for one in known if not _is_empty(one, hook))
            found = hearing[hook] = found[:: -1 if hook.startswith("after_") else 1]
        return found


def _is_empty(middleware: Middleware, hook: str) -> bool:
    inherited = getattr(Middleware, hook, None)
    found = getattr(middleware, hook, None)
    return inherited is not None and getattr(found, "__func__", None) is inherited
