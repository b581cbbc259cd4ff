# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users that several tests set up, and the checks that use a password."""

from __future__ import annotations

# Titles of the checks that send a password.
LOGIN_WORKS = "The user can log in, and a session that was ended is not accepted again"
PAGES_WORK = "With the password, pages of flows respond"

USERS = [
    {"username": "ada", "password": "correct horse battery staple"},
    {"username": "wall", "password": "only looking", "permissions": "read"},
]
