"""The one error tree. Each error's text is a sentence for the operator: found, expected, what to do."""


class NotifierError(Exception):
    """Anything the notifier itself gives up on; never holds a secret."""


class ConfigurationError(NotifierError):
    """The configuration can't be used; one line for each mistake, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DatabaseError(NotifierError):
    """The database could not do what was asked just now (R7).

    `temporary`: the same may work later; else it is what was to be written that it does not take.
    """

    temporary = True


class RefusedByDatabaseError(DatabaseError):
    """The database will never take what was to be written."""

    temporary = False


class DatabaseUnreachableError(DatabaseError):
    """No connection to the database could be had."""


class DatabaseHeldError(NotifierError):
    """Another process holds this database file (R29)."""


class SchemaError(NotifierError):
    """The database's schema is not the one this release works with."""


class ListenError(NotifierError):
    """An address can't be listened on; later it may be."""


class ConflictError(NotifierError):
    """Somebody else saved the same record first; read it again and decide again (R14)."""


class LeaseLostError(NotifierError):
    """Another process watches this account now; nothing was recorded (R29)."""


class NotThereError(NotifierError):
    """What somebody wants to act on is not there."""


class NotPossibleError(NotifierError):
    """As things stand, what somebody wants to do can't be done."""
