"""The steps in order of flow: discover, poll, record, deliver; and what time alone causes."""
