"""A panel with a line for each job that an executor has scheduled.

job_rows.py     what a line says
jobs_panel.py   the panel, and the thread that draws all of them
jobs_widget.py  the widget, drawn by static/jobs.js
"""
