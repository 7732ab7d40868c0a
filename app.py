"""The app behind its access token, as `make app` and `python -m streamlit run app.py` start it."""

import streamlit as st
from starlette.middleware import Middleware

from pages.ui.access import start
from pages.ui.access.guard import guard

rules = start.rules()
app = st.App("Home.py", middleware=[Middleware(guard, rules=rules)], lifespan=start.lifespan(rules.token))
