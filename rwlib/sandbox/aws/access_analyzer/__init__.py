"""access_analyzer"""
